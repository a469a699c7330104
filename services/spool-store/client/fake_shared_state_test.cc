#include "services/spool-store/client/fake_shared_state.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace turnpike::spool {
namespace {

class FakeSharedStateTest : public testing::Test {
 protected:
  absl::StatusOr<v1::PutEntryResponse> Put(v1::PutEntryRequest request) {
    absl::StatusOr<v1::PutEntryResponse> result = absl::UnknownError("no answer");
    state_.Put(std::move(request), absl::InfiniteFuture(),
               [&](auto response) { result = std::move(response); });
    return result;
  }
  absl::StatusCode Get(const std::string& key) {
    v1::GetEntryRequest request;
    request.set_key(key);
    absl::StatusCode code = absl::StatusCode::kUnknown;
    state_.Get(request, absl::InfiniteFuture(),
               [&](auto response) { code = response.status().code(); });
    return code;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeSharedState state_{clock_};
};

TEST_F(FakeSharedStateTest, LockIsTakenOnceAndRenewedByItsVersion) {
  v1::PutEntryRequest request;
  request.set_key("atrn/example.org");
  request.set_if_absent(true);
  auto first = Put(request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Put(request).status().code(), absl::StatusCode::kAborted);
  request.set_if_version(first->entry().version());
  EXPECT_TRUE(Put(request).ok());
  EXPECT_EQ(Put(request).status().code(), absl::StatusCode::kAborted);
}

TEST_F(FakeSharedStateTest, EntryIsGoneWhenItsTimeIsOver) {
  v1::PutEntryRequest request;
  request.set_key("a");
  request.mutable_time_to_live_duration()->set_seconds(10);
  ASSERT_TRUE(Put(request).ok());
  EXPECT_EQ(Get("a"), absl::StatusCode::kOk);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(Get("a"), absl::StatusCode::kNotFound);
}

TEST_F(FakeSharedStateTest, AddMakesTheEntryAndKeepsItsTimeLimit) {
  v1::AddToEntryRequest request;
  request.set_key("n");
  request.set_delta(2);
  request.mutable_time_to_live_duration()->set_seconds(10);
  int64_t value = 0;
  auto add = [&] {
    state_.Add(request, absl::InfiniteFuture(), [&](auto response) { value = response->value(); });
  };
  add();
  clock_.Advance(absl::Seconds(9));
  add();
  EXPECT_EQ(value, 4);
  clock_.Advance(absl::Seconds(1));
  add();
  EXPECT_EQ(value, 2);
}

}  // namespace
}  // namespace turnpike::spool
