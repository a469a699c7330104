#include "services/gateway-dequeue/rpc/session_lock.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(600);

class SessionLockTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<SessionLock>> Acquire(
      const std::string& value, absl::AnyInvocable<void()> on_lost = [] {}) {
    absl::StatusOr<std::shared_ptr<SessionLock>> result;
    SessionLock::Acquire(
        state_, {.key = "k", .value = value, .time_to_live = kShort}, std::move(on_lost),
        [&result](absl::StatusOr<std::shared_ptr<SessionLock>> lock) { result = std::move(lock); });
    return result;
  }

  // The entry's value; empty when there is none.
  std::string Value() {
    spool::v1::GetEntryRequest request;
    request.set_key("k");
    std::string value;
    state_.Get(request, absl::InfiniteFuture(),
               [&value](absl::StatusOr<spool::v1::GetEntryResponse> response) {
                 if (response.ok()) value = response->entry().value();
               });
    return value;
  }

  void Put(const std::string& value) {
    spool::v1::PutEntryRequest request;
    request.set_key("k");
    request.set_value(value);
    state_.Put(request, absl::InfiniteFuture(),
               [](absl::StatusOr<spool::v1::PutEntryResponse> response) {
                 EXPECT_TRUE(response.ok()) << response.status();
               });
  }

  spool::FakeSharedState state_;
};

TEST_F(SessionLockTest, OnlyOneHasTheLock) {
  const auto lock = Acquire("one");
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE(absl::IsAborted(Acquire("two").status()));
  (*lock)->Release();
  EXPECT_EQ(Value(), "");
  EXPECT_TRUE(Acquire("two").ok());
}

TEST_F(SessionLockTest, LockIsRenewedPastItsTime) {
  const auto lock = Acquire("one", [] { FAIL() << "lost"; });
  absl::SleepFor(3 * kShort);
  EXPECT_EQ(Value(), "one");
  (*lock)->Release();
  EXPECT_EQ(Value(), "");
}

TEST_F(SessionLockTest, LockOfADeadHolderEndsByItself) {
  Acquire("one").value().reset();  // renews no more
  EXPECT_EQ(Value(), "one");
  absl::SleepFor(kShort + absl::Milliseconds(50));
  EXPECT_TRUE(Acquire("two").ok());
}

TEST_F(SessionLockTest, LockThatAnotherHasByNowIsLost) {
  absl::Notification lost;
  const auto lock = Acquire("one", [&lost] { lost.Notify(); });
  Put("other");
  lost.WaitForNotification();
  (*lock)->Release();
  EXPECT_EQ(Value(), "other");
}

TEST_F(SessionLockTest, RenewalWhoseAnswerWasLostIsOurs) {
  const auto lock = Acquire("one", [] { FAIL() << "lost"; });
  Put("one");  // a version that the lock does not know
  absl::SleepFor(2 * kShort);
  (*lock)->Release();
  EXPECT_EQ(Value(), "");
}

TEST_F(SessionLockTest, LockThatCannotBeRenewedIsLost) {
  absl::Notification lost;
  const auto lock = Acquire("one", [&lost] { lost.Notify(); });
  state_.SetStatus(absl::UnavailableError("away"));
  lost.WaitForNotification();
}

}  // namespace
}  // namespace turnpike::dequeue
