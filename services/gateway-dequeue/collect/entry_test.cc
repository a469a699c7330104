#include "services/gateway-dequeue/collect/entry.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "prometheus/registry.h"
#include "services/common/net/await_token.h"
#include "services/common/net/testing/run.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::dequeue {
namespace {

using Result = absl::StatusOr<ErrandResult>;

// Ends each run after a moment with what the test has set.
class FakeErrand : public Errand {
 public:
  struct Plan {
    v1::RunEnding ending = v1::RUN_ENDING_COMPLETED;
    std::chrono::milliseconds time{1};
    int runs = 0;
    int running = 0;
    int running_max = 0;
  };
  explicit FakeErrand(Plan& plan) : plan_(plan) {}

  asio::awaitable<ErrandResult> Run(std::string) override {
    ++plan_.runs;
    plan_.running_max = std::max(plan_.running_max, ++plan_.running);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer_ = &timer;
    timer.expires_after(plan_.time);
    co_await timer.async_wait(net::kAwait);
    timer_ = nullptr;
    --plan_.running;
    ErrandResult result;
    result.run.set_ending(plan_.ending);
    result.run.set_messages(3);
    co_return result;
  }
  void Cancel() override {
    if (timer_ != nullptr) timer_->cancel();
  }

 private:
  Plan& plan_;
  asio::steady_timer* timer_ = nullptr;
};

class EntryTest : public ::testing::Test {
 protected:
  std::shared_ptr<Entry> MakeEntry(const std::string& name, int64_t every_seconds,
                                   const std::string& host = "odmr.example") {
    config::v1::Schedule schedule;
    schedule.mutable_every()->set_seconds(every_seconds);
    schedule.mutable_retry_after()->set_seconds(60);
    schedule.mutable_retry_after_max()->set_seconds(600);
    return std::make_shared<Entry>(Entry::Options{.name = name,
                                                  .host = host,
                                                  .port = 366,
                                                  .schedule = *Schedule::FromConfig(schedule),
                                                  .poll_interval = absl::Milliseconds(20),
                                                  .retry_interval = absl::Milliseconds(5)},
                                   std::make_unique<FakeErrand>(plan_), parts_,
                                   context_.get_executor());
  }

  static asio::awaitable<void> DoRun(std::shared_ptr<Entry> entry, Result* result) {
    *result = co_await Entry::RunNow(std::move(entry));
  }
  static asio::awaitable<void> DoDescribe(std::shared_ptr<Entry> entry,
                                          absl::StatusOr<v1::RequestState>* state) {
    *state = co_await Entry::Describe(std::move(entry));
  }
  // Lets the loops run for a while, then ends them.
  static asio::awaitable<void> StopAfter(std::vector<std::shared_ptr<Entry>> entries,
                                         std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer.expires_after(time);
    co_await timer.async_wait(net::kAwait);
    for (const auto& entry : entries) entry->Stop();
  }

  Result Run(const std::shared_ptr<Entry>& entry) {
    Result result = absl::UnknownError("not run");
    net::testing::RunToEnd(context_, DoRun(entry, &result));
    return result;
  }
  v1::RequestState Describe(const std::shared_ptr<Entry>& entry) {
    absl::StatusOr<v1::RequestState> state;
    net::testing::RunToEnd(context_, DoDescribe(entry, &state));
    EXPECT_TRUE(state.ok()) << state.status();
    return *std::move(state);
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1795356000)};
  spool::FakeSharedState state_;
  prometheus::Registry registry_;
  RunMetrics metrics_{registry_};
  const Entry::Parts parts_{.state = state_, .metrics = metrics_, .clock = clock_};
  FakeErrand::Plan plan_;
  asio::io_context context_;
};

TEST_F(EntryTest, RunOnCommandIsRememberedByTheNextProcess) {
  ASSERT_TRUE(Run(MakeEntry("isp", 0)).ok());
  const v1::RequestState state = Describe(MakeEntry("isp", 0));
  EXPECT_EQ(state.last_run().messages(), 3);
  EXPECT_EQ(state.last_run().ending(), v1::RUN_ENDING_COMPLETED);
  EXPECT_EQ(state.failures(), 0);
  EXPECT_FALSE(state.running());
  EXPECT_FALSE(state.has_next_run_time());
}

TEST_F(EntryTest, FailuresCountUntilOneEndsWell) {
  plan_.ending = v1::RUN_ENDING_REFUSED;
  const std::shared_ptr<Entry> entry = MakeEntry("isp", 10);
  ASSERT_TRUE(Run(entry).ok());
  ASSERT_TRUE(Run(entry).ok());
  EXPECT_EQ(Describe(entry).failures(), 2);
  EXPECT_GE(Describe(entry).next_run_time().seconds(), 1795356000 + 120);
  plan_.ending = v1::RUN_ENDING_NO_MAIL;
  ASSERT_TRUE(Run(entry).ok());
  EXPECT_EQ(Describe(entry).failures(), 0);
}

TEST_F(EntryTest, OneRunAtATimeOverAllReplicasAndEntriesOfAServer) {
  plan_.time = std::chrono::milliseconds(50);
  const std::shared_ptr<Entry> here = MakeEntry("isp", 0);
  const std::shared_ptr<Entry> there = MakeEntry("isp", 0);
  const std::shared_ptr<Entry> same_server = MakeEntry("other", 0);
  const std::shared_ptr<Entry> elsewhere = MakeEntry("isp2", 0, "odmr.test");
  Result first, again, second, third, fourth;
  net::testing::RunToEnd(context_, DoRun(here, &first), DoRun(here, &again), DoRun(there, &second),
                         DoRun(same_server, &third), DoRun(elsewhere, &fourth));
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsAborted(again.status())) << again.status();
  EXPECT_TRUE(absl::IsAborted(second.status())) << second.status();
  EXPECT_TRUE(absl::IsAborted(third.status())) << third.status();
  EXPECT_TRUE(fourth.ok()) << fourth.status();
  EXPECT_TRUE(Run(there).ok()) << "the lock has gone with the run";
}

TEST_F(EntryTest, ReplicasShareTheirSchedule) {
  const std::shared_ptr<Entry> here = MakeEntry("isp", 3600);
  const std::shared_ptr<Entry> there = MakeEntry("isp", 3600);
  clock_.Advance(absl::Minutes(2));  // the first run is due
  net::testing::RunToEnd(context_, Entry::Loop(here), Entry::Loop(there),
                         StopAfter({here, there}, std::chrono::milliseconds(150)));
  EXPECT_EQ(plan_.runs, 1);
  clock_.Advance(absl::Minutes(67));
  const std::shared_ptr<Entry> restarted = MakeEntry("isp", 3600);
  net::testing::RunToEnd(context_, Entry::Loop(restarted),
                         StopAfter({restarted}, std::chrono::milliseconds(100)));
  EXPECT_EQ(plan_.runs, 2);
  EXPECT_EQ(plan_.running_max, 1);
}

TEST_F(EntryTest, NothingRunsWhileTheStateIsAway) {
  const std::shared_ptr<Entry> entry = MakeEntry("isp", 1);
  clock_.Advance(absl::Minutes(2));
  state_.SetStatus(absl::UnavailableError("away"));
  net::testing::RunToEnd(context_, Entry::Loop(entry),
                         StopAfter({entry}, std::chrono::milliseconds(50)));
  EXPECT_EQ(plan_.runs, 0);
  EXPECT_TRUE(absl::IsUnavailable(Run(MakeEntry("isp", 1)).status()));
}

// [PL-31]
TEST_F(EntryTest, RetiredEntryRecordsTheRunInProgressAndBeginsNoOther) {
  const std::shared_ptr<Entry> entry = MakeEntry("isp", 1);
  clock_.Advance(absl::Minutes(2));
  plan_.time = std::chrono::milliseconds(60);
  const auto retire = [](std::shared_ptr<Entry> retired) -> asio::awaitable<void> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(net::kAwait);
    retired->Retire();
  };
  net::testing::RunToEnd(context_, Entry::Loop(entry), retire(entry));
  EXPECT_EQ(plan_.runs, 1);
  EXPECT_EQ(Describe(MakeEntry("isp", 1)).last_run().messages(), 3);
}

TEST_F(EntryTest, GaugesGoWithTheLastEntryOfAName) {
  const auto has_gauges = [this] {
    for (const auto& family : registry_.Collect()) {
      if (family.name == "turnpike_dequeue_runs" && !family.metric.empty()) return true;
    }
    return false;
  };
  std::shared_ptr<Entry> before = MakeEntry("isp", 0);
  std::shared_ptr<Entry> after = MakeEntry("isp", 0);
  before = nullptr;
  EXPECT_TRUE(has_gauges());
  after = nullptr;
  EXPECT_FALSE(has_gauges());
}

TEST_F(EntryTest, StopEndsARunWithoutRecordingIt) {
  plan_.time = std::chrono::minutes(1);
  const std::shared_ptr<Entry> entry = MakeEntry("isp", 0);
  Result result;
  net::testing::RunToEnd(context_, DoRun(entry, &result),
                         StopAfter({entry}, std::chrono::milliseconds(30)));
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  const v1::RequestState state = Describe(MakeEntry("isp", 0));
  EXPECT_FALSE(state.has_last_run());
  EXPECT_FALSE(state.running());
}

}  // namespace
}  // namespace turnpike::dequeue
