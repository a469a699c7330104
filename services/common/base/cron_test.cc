#include "services/common/base/cron.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::base {
namespace {

// The next times after `time` (2026-11-22T14:41:30), UTC; `never`, or the error.
std::string NextOf(const std::string& text, const std::string& time, int count = 1) {
  const absl::StatusOr<Cron> cron = Cron::Parse(text);
  if (!cron.ok()) return std::string(cron.status().message());
  absl::Time now;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%dT%H:%M:%S", time, &now, &error)) << error;
  std::string result;
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Time> next = cron->Next(now);
    if (!next) return "never";
    now = *next;
    if (i > 0) result += " ";
    result += absl::FormatTime("%Y-%m-%dT%H:%M", now, absl::UTCTimeZone());
  }
  return result;
}

// 2026-11-22 is a Sunday.
constexpr char kNow[] = "2026-11-22T14:41:30";

TEST(CronTest, StarsAreEveryMinute) {
  EXPECT_EQ(NextOf("* * * * *", kNow, 2), "2026-11-22T14:42 2026-11-22T14:43");
}

TEST(CronTest, NextIsLaterThanNowAlways) {
  EXPECT_EQ(NextOf("41 14 * * *", "2026-11-22T14:41:00"), "2026-11-23T14:41");
  EXPECT_EQ(NextOf("41 14 * * *", "2026-11-22T14:40:59"), "2026-11-22T14:41");
}

TEST(CronTest, StepsRangesAndListsCombine) {
  EXPECT_EQ(NextOf("*/15 * * * *", kNow, 3), "2026-11-22T14:45 2026-11-22T15:00 2026-11-22T15:15");
  EXPECT_EQ(NextOf("5,10-12,50-59/5 14 * * *", kNow, 3),
            "2026-11-22T14:50 2026-11-22T14:55 2026-11-23T14:05");
  EXPECT_EQ(NextOf("0 6-20/7 * * *", kNow, 3),
            "2026-11-22T20:00 2026-11-23T06:00 2026-11-23T13:00");
}

TEST(CronTest, DaysOfTheWeekHaveNamesAndSundayTwoNumbers) {
  EXPECT_EQ(NextOf("0 6 * * mon-fri", kNow), "2026-11-23T06:00");
  EXPECT_EQ(NextOf("0 6 * * SUN", kNow), "2026-11-29T06:00");
  EXPECT_EQ(NextOf("0 6 * * 0", kNow), "2026-11-29T06:00");
  EXPECT_EQ(NextOf("0 6 * * 7", kNow), "2026-11-29T06:00");
  EXPECT_EQ(NextOf("0 6 * * 5-7", kNow, 3), "2026-11-27T06:00 2026-11-28T06:00 2026-11-29T06:00");
}

TEST(CronTest, MonthsHaveNames) {
  EXPECT_EQ(NextOf("0 0 1 Jan,mar *", kNow, 2), "2027-01-01T00:00 2027-03-01T00:00");
  EXPECT_EQ(NextOf("0 0 1 */5 *", kNow, 2), "2027-01-01T00:00 2027-06-01T00:00");
}

TEST(CronTest, EitherDayFieldIsEnoughWhereBothAreRestricted) {
  EXPECT_EQ(NextOf("0 0 25 * mon", kNow, 3), "2026-11-23T00:00 2026-11-25T00:00 2026-11-30T00:00");
  // A step over all days is not a restriction: both must fit.
  EXPECT_EQ(NextOf("0 0 */2 * mon", kNow), "2026-11-23T00:00");
  EXPECT_EQ(NextOf("0 0 */2 * mon", "2026-11-23T00:00:00"), "2026-12-07T00:00");
}

TEST(CronTest, DaysThatAMonthDoesNotHaveAreLeftOut) {
  EXPECT_EQ(NextOf("0 0 31 * *", kNow, 3), "2026-12-31T00:00 2027-01-31T00:00 2027-03-31T00:00");
  EXPECT_EQ(NextOf("0 0 29 2 *", kNow), "2028-02-29T00:00");
  EXPECT_EQ(NextOf("0 0 29 2 *", "2096-03-01T00:00:00"), "2104-02-29T00:00");
  EXPECT_EQ(NextOf("0 0 30 feb *", kNow), "never");
}

TEST(CronTest, BlanksBetweenFieldsDoNotCount) {
  EXPECT_EQ(NextOf("  0\t6   * *  * ", kNow), "2026-11-23T06:00");
}

TEST(CronTest, WhatIsNoTimeIsRefused) {
  for (const std::string text : {"",
                                 "* * * *",
                                 "* * * * * *",
                                 "60 * * * *",
                                 "* 24 * * *",
                                 "* * 0 * *",
                                 "* * 32 * *",
                                 "* * * 13 * ",
                                 "* * * 0 *",
                                 "* * * * 8",
                                 "-1 * * * *",
                                 "+1 * * * *",
                                 "1- * * * *",
                                 "-5 * * * *",
                                 "1-2-3 * * * *",
                                 "5-1 * * * *",
                                 "*/0 * * * *",
                                 "*/ * * * *",
                                 "*/x * * * *",
                                 "*/5/5 * * * *",
                                 "5/15 * * * *",
                                 ", * * * *",
                                 "1,,2 * * * *",
                                 "mon * * * *",
                                 "* * * mon *",
                                 "* * * * january",
                                 "*5 * * * *",
                                 "99999999999 * * * *",
                                 "@daily"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Cron::Parse(text).status())) << text;
  }
}

TEST(CronTest, ErrorNamesTheField) {
  EXPECT_EQ(NextOf("* 24 * * *", kNow), "the hour must be from 0 to 23");
  EXPECT_EQ(NextOf("5/15 * * * *", kNow),
            "the minute has a step without a range; write `*/15` or `0-59/15`");
}

}  // namespace
}  // namespace turnpike::base
