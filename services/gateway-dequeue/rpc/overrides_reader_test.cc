#include "services/gateway-dequeue/rpc/overrides_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::dequeue {
namespace {

// Keeps back the answers to List until it is told to give the next one.
class SlowState : public spool::FakeSharedState {
 public:
  void List(spool::v1::ListEntriesRequest request, absl::Time deadline,
            Callback<spool::v1::ListEntriesResponse> done) override {
    ++lists;
    if (!is_slow) return FakeSharedState::List(std::move(request), deadline, std::move(done));
    FakeSharedState::List(std::move(request), deadline,
                          [this, done = std::move(done)](
                              absl::StatusOr<spool::v1::ListEntriesResponse> response) mutable {
                            kept_.push_back([done = std::move(done), response]() mutable {
                              done(std::move(response));
                            });
                          });
  }
  void AnswerNext() {
    auto answer = std::move(kept_.front());
    kept_.erase(kept_.begin());
    answer();
  }

  bool is_slow = false;
  int lists = 0;

 private:
  std::vector<absl::AnyInvocable<void()>> kept_;
};

class OverridesReaderTest : public ::testing::Test {
 protected:
  void Suspend(const std::string& domain) {
    spool::v1::PutEntryRequest put;
    put.set_key(SuspendedKey(domain));
    state_.Put(
        std::move(put), absl::InfiniteFuture(),
        [](absl::StatusOr<spool::v1::PutEntryResponse> response) { ASSERT_TRUE(response.ok()); });
  }
  // `suspended`, `running`, or the error; what it will be stays in `*result` until then.
  void Ask(OverridesReader& reader, std::string* result) {
    reader.Read([result](absl::StatusOr<std::shared_ptr<const Overrides>> overrides) {
      *result = !overrides.ok() ? absl::StatusCodeToString(overrides.status().code())
                : (*overrides)->For("a.example").is_suspended() ? "suspended"
                                                                : "running";
    });
  }
  std::string Ask(OverridesReader& reader) {
    std::string result;
    Ask(reader, &result);
    return result;
  }

  SlowState state_;
};

TEST_F(OverridesReaderTest, WhatIsKnownServesForAWhile) {
  OverridesReader reader(state_, {.age_max = absl::Hours(1)});
  EXPECT_EQ(Ask(reader), "running");
  Suspend("a.example");
  EXPECT_EQ(Ask(reader), "running");
  EXPECT_EQ(state_.lists, 1);
  reader.Forget();
  EXPECT_EQ(Ask(reader), "suspended");
  EXPECT_EQ(state_.lists, 2);
}

TEST_F(OverridesReaderTest, OldKnowledgeIsReadAgain) {
  OverridesReader reader(state_, {.age_max = absl::ZeroDuration()});
  EXPECT_EQ(Ask(reader), "running");
  Suspend("a.example");
  EXPECT_EQ(Ask(reader), "suspended");
}

TEST_F(OverridesReaderTest, EveryPageIsRead) {
  for (int i = 0; i < 2500; ++i) Suspend(absl::StrCat("b", i, ".example"));
  Suspend("z.example");
  OverridesReader reader(state_, {});
  reader.Read([](absl::StatusOr<std::shared_ptr<const Overrides>> overrides) {
    ASSERT_TRUE(overrides.ok());
    EXPECT_EQ((*overrides)->all().size(), 2501u);
    EXPECT_TRUE((*overrides)->For("z.example").is_suspended());
  });
}

TEST_F(OverridesReaderTest, QuestionsDuringAReadingShareIt) {
  state_.is_slow = true;
  OverridesReader reader(state_, {});
  std::string first, second;
  Ask(reader, &first);
  Ask(reader, &second);
  EXPECT_EQ(state_.lists, 1);
  state_.AnswerNext();
  EXPECT_EQ(first, "running");
  EXPECT_EQ(second, "running");
}

TEST_F(OverridesReaderTest, QuestionAfterAChangeIsNotAnsweredByAReadingBeforeIt) {
  state_.is_slow = true;
  OverridesReader reader(state_, {.age_max = absl::Hours(1)});
  std::string before, after;
  Ask(reader, &before);
  Suspend("a.example");
  reader.Forget();
  Ask(reader, &after);
  state_.AnswerNext();
  EXPECT_EQ(before, "running");
  EXPECT_EQ(after, "");
  state_.AnswerNext();
  EXPECT_EQ(after, "suspended");
  // And the older reading was not remembered.
  EXPECT_EQ(Ask(reader), "suspended");
}

TEST_F(OverridesReaderTest, ErrorIsToldAndNotRemembered) {
  OverridesReader reader(state_, {.age_max = absl::Hours(1)});
  state_.SetStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Ask(reader), "UNAVAILABLE");
  state_.SetStatus(absl::OkStatus());
  EXPECT_EQ(Ask(reader), "running");
}

}  // namespace
}  // namespace turnpike::dequeue
