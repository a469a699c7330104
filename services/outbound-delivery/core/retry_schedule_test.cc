#include "services/outbound-delivery/core/retry_schedule.h"

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1795000000);
constexpr double kMiddle = 0.5;  // no jitter

RetryDecision DecideAt(absl::Duration age, bool delay_warned = false, double unit = kMiddle) {
  return DecideRetry(
      {}, {.now = kStart + age, .first_attempt_time = kStart, .delay_warned = delay_warned}, unit);
}

TEST(RetryScheduleTest, FirstFailureIsTriedAgainAfterTheFirstInterval) {
  const RetryDecision decision = DecideRetry({}, {.now = kStart}, kMiddle);
  EXPECT_EQ(decision.action, RetryDecision::Action::kRetry);
  EXPECT_EQ(decision.next_attempt_time, kStart + absl::Minutes(5));
  EXPECT_FALSE(decision.warn);
}

TEST(RetryScheduleTest, AfterTheFirstPeriodTheLongIntervalHolds) {
  EXPECT_EQ(DecideAt(absl::Minutes(59)).next_attempt_time, kStart + absl::Minutes(64));
  EXPECT_EQ(DecideAt(absl::Minutes(60)).next_attempt_time, kStart + absl::Minutes(300));
}

TEST(RetryScheduleTest, JitterStaysWithinTenPercent) {
  EXPECT_EQ(DecideAt(absl::ZeroDuration(), false, 0).next_attempt_time,
            kStart + absl::Seconds(270));
  const absl::Time latest = DecideAt(absl::ZeroDuration(), false, 0.999).next_attempt_time;
  EXPECT_GT(latest, kStart + absl::Seconds(328));
  EXPECT_LE(latest, kStart + absl::Seconds(330));
}

TEST(RetryScheduleTest, SenderIsWarnedOnce) {
  EXPECT_FALSE(DecideAt(absl::Hours(3)).warn);
  EXPECT_TRUE(DecideAt(absl::Hours(5)).warn);
  EXPECT_FALSE(DecideAt(absl::Hours(5), /*delay_warned=*/true).warn);
}

TEST(RetryScheduleTest, WarnAfterZeroMeansNoWarning) {
  EXPECT_FALSE(DecideRetry({.warn_after = absl::ZeroDuration()},
                           {.now = kStart + absl::Hours(9), .first_attempt_time = kStart}, kMiddle)
                   .warn);
}

TEST(RetryScheduleTest, LastAttemptComesWhenTheMailExpires) {
  const RetryDecision decision = DecideAt(absl::Hours(119));
  EXPECT_EQ(decision.action, RetryDecision::Action::kRetry);
  EXPECT_EQ(decision.next_attempt_time, kStart + absl::Hours(120));
}

TEST(RetryScheduleTest, NoAttemptComesShortlyBeforeTheLast) {
  EXPECT_EQ(DecideAt(absl::Hours(115)).next_attempt_time, kStart + absl::Hours(120));
  EXPECT_EQ(DecideAt(absl::Hours(113)).next_attempt_time, kStart + absl::Hours(117));
}

TEST(RetryScheduleTest, ExpiredMailIsReturnedOrParked) {
  EXPECT_EQ(DecideAt(absl::Hours(120)).action, RetryDecision::Action::kReturn);
  EXPECT_EQ(DecideRetry({.parks_expired = true},
                        {.now = kStart + absl::Hours(121), .first_attempt_time = kStart}, kMiddle)
                .action,
            RetryDecision::Action::kPark);
}

TEST(RetryScheduleTest, ClockSetBackDoesNotExpireMail) {
  const RetryDecision decision =
      DecideRetry({}, {.now = kStart, .first_attempt_time = kStart + absl::Hours(500)}, kMiddle);
  EXPECT_EQ(decision.action, RetryDecision::Action::kRetry);
}

TEST(RetryScheduleTest, RoundsBeginAtMultiplesOfTheirLength) {
  const absl::Time round = absl::UnixEpoch() + absl::Hours(498'600);
  EXPECT_EQ(RoundAtOrAfter(round, absl::Hours(1)), round);
  EXPECT_EQ(RoundAtOrAfter(round + absl::Nanoseconds(1), absl::Hours(1)), round + absl::Hours(1));
  EXPECT_EQ(RoundAtOrAfter(round + absl::Seconds(1), absl::ZeroDuration()),
            round + absl::Seconds(1));
}

}  // namespace
}  // namespace turnpike::delivery
