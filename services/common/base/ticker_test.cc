#include "services/common/base/ticker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/time/clock.h"

namespace turnpike::base {
namespace {

TEST(TickerTest, RoundsComeAgainAndAgain) {
  std::atomic<int> rounds = 0;
  absl::Notification enough;
  const Ticker ticker(absl::Milliseconds(1), [&](const Ticker&) {
    if (++rounds == 3) enough.Notify();
  });
  enough.WaitForNotification();
}

TEST(TickerTest, EndWaitsForTheRoundUnderWay) {
  absl::Notification has_begun;
  std::atomic<bool> has_ended = false;
  {
    const Ticker ticker(absl::Hours(1), [&](const Ticker& self) {
      has_begun.Notify();
      EXPECT_TRUE(self.Sleep(absl::Hours(1)));
      EXPECT_TRUE(self.is_stopping());
      has_ended = true;
    });
    has_begun.WaitForNotification();
  }
  EXPECT_TRUE(has_ended);
}

TEST(TickerTest, AwaitCallGivesWhatTheCallbackGot) {
  std::thread thread;
  const int result = AwaitCall<int>([&](absl::AnyInvocable<void(int)> done) {
    thread = std::thread([done = std::move(done)]() mutable { done(7); });
  });
  thread.join();
  EXPECT_EQ(result, 7);
}

}  // namespace
}  // namespace turnpike::base
