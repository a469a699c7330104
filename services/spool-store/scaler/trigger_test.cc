#include "services/spool-store/scaler/trigger.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/time/clock.h"

namespace turnpike::spool {
namespace {

absl::StatusOr<Trigger> Parse(const std::string& metric, const std::string& target) {
  return Trigger::Parse({{"metric", metric}, {"target", target}, {"scalerAddress", "store:7111"}});
}

TEST(TriggerTest, MetricAndTargetAreRead) {
  const auto deliveries = Parse("due_deliveries", "500");
  ASSERT_TRUE(deliveries.ok()) << deliveries.status();
  EXPECT_STREQ(deliveries->name(), "due_deliveries");
  EXPECT_EQ(deliveries->target, 500);
  const auto seconds = Parse("oldest_due_seconds", "0.5");
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  EXPECT_STREQ(seconds->name(), "oldest_due_seconds");
  EXPECT_EQ(seconds->target, 0.5);
}

TEST(TriggerTest, WhatIsNotUnderstoodIsRefused) {
  for (const char* metric : {"", "due", "due_recipients", "DUE_DELIVERIES"}) {
    EXPECT_EQ(Parse(metric, "1").status().code(), absl::StatusCode::kInvalidArgument) << metric;
  }
  for (const char* target : {"", "0", "-1", "nan", "inf", "ten", "10 "}) {
    const bool is_number = std::string(target) == "10 ";  // blanks around a number do no harm
    EXPECT_EQ(Parse("due_deliveries", target).ok(), is_number) << target;
  }
  EXPECT_FALSE(Trigger::Parse({}).ok());
}

TEST(TriggerTest, DeliveriesAtWorkersCountAsMuchAsThoseThatWait) {
  const Trigger trigger = *Parse("due_deliveries", "1");
  EXPECT_EQ(trigger.Figure({.due = 3, .leased = 4}, absl::Now()), 7);
  EXPECT_EQ(trigger.Figure({}, absl::Now()), 0);
  EXPECT_TRUE(HasWork({.due = 0, .leased = 1}));
  EXPECT_TRUE(HasWork({.due = 1, .leased = 0}));
  EXPECT_FALSE(HasWork({}));
}

TEST(TriggerTest, AgeIsOfTheLongestWaitingAndNeverNegative) {
  const Trigger trigger = *Parse("oldest_due_seconds", "60");
  const absl::Time now = absl::Now();
  EXPECT_EQ(trigger.Figure({.due = 1, .oldest_due = now - absl::Seconds(90)}, now), 90);
  EXPECT_EQ(trigger.Figure({.due = 1, .oldest_due = now + absl::Seconds(5)}, now), 0);
  EXPECT_EQ(trigger.Figure({.leased = 9}, now), 0);
}

}  // namespace
}  // namespace turnpike::spool
