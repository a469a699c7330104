#include "services/outbound-delivery/core/rounds.h"

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

// A round begins here.
const absl::Time kRound = absl::UnixEpoch() + absl::Minutes(10) * 3'000'000;
constexpr absl::Duration kInterval = absl::Minutes(10);

spool::v1::LeasedDelivery ReceivedAt(absl::Time time, int attempts = 0) {
  spool::v1::LeasedDelivery delivery;
  delivery.mutable_received_time()->set_seconds(absl::ToUnixSeconds(time));
  delivery.set_attempts(attempts);
  return delivery;
}

TEST(RoundsTest, WithoutAnIntervalEverythingGoesAtOnce) {
  Rounds rounds(absl::ZeroDuration(), kRound);
  EXPECT_FALSE(rounds.is_on());
  EXPECT_TRUE(rounds.MayGo(ReceivedAt(kRound), kRound));
  EXPECT_FALSE(rounds.TakeBeginning(kRound + absl::Hours(1)));
}

TEST(RoundsTest, MailWaitsForTheNextRound) {
  Rounds rounds(kInterval, kRound - absl::Minutes(5));
  const spool::v1::LeasedDelivery delivery = ReceivedAt(kRound - absl::Minutes(4));
  EXPECT_FALSE(rounds.MayGo(delivery, kRound - absl::Minutes(4)));
  EXPECT_FALSE(rounds.TakeBeginning(kRound - absl::Seconds(1)));
  EXPECT_TRUE(rounds.TakeBeginning(kRound));
  EXPECT_FALSE(rounds.TakeBeginning(kRound));
  EXPECT_TRUE(rounds.MayGo(delivery, kRound + absl::Milliseconds(200)));
}

TEST(RoundsTest, RoundLastsAsLongAsItsMailKeepsComing) {
  Rounds rounds(kInterval, kRound - absl::Minutes(5));
  const spool::v1::LeasedDelivery delivery = ReceivedAt(kRound - absl::Minutes(1));
  absl::Time now = kRound;
  for (int i = 0; i < 20; ++i, now += absl::Milliseconds(500)) {
    EXPECT_TRUE(rounds.MayGo(delivery, now));
  }
  EXPECT_FALSE(rounds.MayGo(delivery, now + absl::Seconds(2)));
}

TEST(RoundsTest, MailReceivedDuringARoundWaitsButARetryThatIsDueGoes) {
  Rounds rounds(kInterval, kRound - absl::Minutes(5));
  const absl::Time now = kRound + absl::Milliseconds(500);
  EXPECT_FALSE(rounds.MayGo(ReceivedAt(kRound + absl::Seconds(1)), now));
  EXPECT_TRUE(rounds.MayGo(ReceivedAt(kRound - absl::Hours(1), 3), now));
}

TEST(RoundsTest, RoundsThatNobodySawAreOne) {
  Rounds rounds(kInterval, kRound - absl::Minutes(5));
  EXPECT_TRUE(rounds.TakeBeginning(kRound + absl::Minutes(25)));
  EXPECT_FALSE(rounds.TakeBeginning(kRound + absl::Minutes(29)));
  EXPECT_TRUE(rounds.TakeBeginning(kRound + absl::Minutes(30)));
}

}  // namespace
}  // namespace turnpike::delivery
