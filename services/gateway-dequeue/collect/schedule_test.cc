#include "services/gateway-dequeue/collect/schedule.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::dequeue {
namespace {

config::v1::Schedule Config(int64_t every_seconds, const std::string& cron = "") {
  config::v1::Schedule config;
  config.mutable_every()->set_seconds(every_seconds);
  config.set_cron(cron);
  config.mutable_retry_after()->set_seconds(60);
  config.mutable_retry_after_max()->set_seconds(600);
  return config;
}

// 2026-11-22T14:00:00Z, a Sunday.
const absl::Time kStart = absl::FromUnixSeconds(1795356000);

TEST(ScheduleTest, WithoutAScheduleNothingIsDue) {
  const Schedule schedule = *Schedule::FromConfig(Config(0));
  EXPECT_EQ(schedule.NextRun("isp", {}, kStart), std::nullopt);
  EXPECT_EQ(schedule.NextRun("isp", {.last_end = kStart, .failures = 3}, kStart), std::nullopt);
}

TEST(ScheduleTest, FirstRunComesSoon) {
  const Schedule hourly = *Schedule::FromConfig(Config(3600));
  EXPECT_GE(*hourly.NextRun("isp", {}, kStart), kStart);
  EXPECT_LE(*hourly.NextRun("isp", {}, kStart), kStart + absl::Minutes(1));
  const Schedule often = *Schedule::FromConfig(Config(2));
  EXPECT_LE(*often.NextRun("isp", {}, kStart), kStart + absl::Seconds(2));
}

TEST(ScheduleTest, IntervalCountsFromTheLastEndWithSomeJitter) {
  const Schedule schedule = *Schedule::FromConfig(Config(3600));
  const RunHistory history{.last_end = kStart};
  const absl::Time next = *schedule.NextRun("isp", history, absl::InfinitePast());
  EXPECT_GE(next, kStart + absl::Hours(1));
  EXPECT_LE(next, kStart + absl::Minutes(66));
  EXPECT_EQ(next, *schedule.NextRun("isp", history, kStart)) << "the same for every replica";
  EXPECT_NE(next, *schedule.NextRun("other", history, kStart)) << "not all at one time";
}

TEST(ScheduleTest, CronTimeThatWasMissedIsMadeUpForOnce) {
  const Schedule schedule = *Schedule::FromConfig(Config(0, "30 6 * * mon-fri"));
  const absl::Time monday = kStart + absl::Hours(16) + absl::Minutes(30);
  EXPECT_EQ(schedule.NextRun("isp", {}, kStart), monday);
  const RunHistory last_week{.last_end = kStart - absl::Hours(7 * 24)};
  EXPECT_LT(*schedule.NextRun("isp", last_week, kStart), kStart) << "due at once";
  EXPECT_EQ(schedule.NextRun("isp", {.last_end = kStart}, kStart), monday);
}

TEST(ScheduleTest, FailuresDoubleTheWaitUpToItsMaximum) {
  for (const Schedule& schedule :
       {*Schedule::FromConfig(Config(10)), *Schedule::FromConfig(Config(0, "0 0 1 1 *"))}) {
    const int expected_seconds[] = {60, 120, 240, 480, 600, 600};
    for (int32_t failures = 1; failures <= 6; ++failures) {
      const absl::Duration expected = absl::Seconds(expected_seconds[failures - 1]);
      const absl::Duration wait =
          *schedule.NextRun("isp", {.last_end = kStart, .failures = failures}, kStart) - kStart;
      EXPECT_GE(wait, expected);
      EXPECT_LE(wait, 1.1 * expected);
    }
    const RunHistory for_ever{.last_end = kStart, .failures = INT32_MAX};
    EXPECT_LE(*schedule.NextRun("isp", for_ever, kStart), kStart + absl::Minutes(11));
  }
}

TEST(ScheduleTest, NoMailIsNoFailure) {
  EXPECT_FALSE(IsFailure(v1::RUN_ENDING_COMPLETED));
  EXPECT_FALSE(IsFailure(v1::RUN_ENDING_NO_MAIL));
  EXPECT_TRUE(IsFailure(v1::RUN_ENDING_REFUSED));
  EXPECT_TRUE(IsFailure(v1::RUN_ENDING_STORE_AWAY));
  EXPECT_TRUE(IsFailure(v1::RUN_ENDING_UNSPECIFIED));
}

TEST(ScheduleTest, CronThatIsNoneIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(Schedule::FromConfig(Config(0, "at noon")).status()));
}

}  // namespace
}  // namespace turnpike::dequeue
