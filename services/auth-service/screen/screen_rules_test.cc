#include "services/auth-service/screen/screen_rules.h"

#include <gtest/gtest.h>

namespace turnpike::auth {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

ScreenRules Rules() { return {.failures_max = 3, .window = absl::Minutes(10)}; }

TEST(ScreenRulesTest, DifferentFailuresWithinTheWindowBlock) {
  WatchRecord watch;
  EXPECT_EQ(AddFailure(Rules(), 1, kNow, watch), FailureEffect::kCounted);
  EXPECT_EQ(AddFailure(Rules(), 2, kNow + absl::Minutes(1), watch), FailureEffect::kCounted);
  EXPECT_EQ(AddFailure(Rules(), 3, kNow + absl::Minutes(2), watch), FailureEffect::kBlocks);
}

TEST(ScreenRulesTest, FailuresBeforeTheWindowAreForgotten) {
  WatchRecord watch;
  AddFailure(Rules(), 1, kNow, watch);
  AddFailure(Rules(), 2, kNow + absl::Minutes(5), watch);
  EXPECT_EQ(AddFailure(Rules(), 3, kNow + absl::Minutes(10), watch), FailureEffect::kCounted);
  EXPECT_EQ(watch.marks_size(), 2);
  EXPECT_EQ(AddFailure(Rules(), 1, kNow + absl::Minutes(14), watch), FailureEffect::kBlocks);
  EXPECT_EQ(AddFailure(Rules(), 1, kNow + absl::Hours(9), watch), FailureEffect::kCounted);
  EXPECT_EQ(watch.marks_size(), 1);
}

TEST(ScreenRulesTest, SameAgainCountsOnceAndUnknownAlways) {
  WatchRecord watch;
  AddFailure(Rules(), 7, kNow, watch);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(AddFailure(Rules(), 7, kNow + absl::Seconds(i), watch), FailureEffect::kRepeated);
  }
  EXPECT_EQ(AddFailure(Rules(), 0, kNow, watch), FailureEffect::kCounted);
  EXPECT_EQ(AddFailure(Rules(), 0, kNow, watch), FailureEffect::kBlocks);
}

TEST(ScreenRulesTest, MarkTellsAccountAndPasswordApart) {
  const LoginAttempt attempt{"192.0.2.1", "ann@example.org", "x"};
  EXPECT_EQ(MarkOf(attempt), MarkOf({"192.0.2.9", "ANN@EXAMPLE.org", "x"}));
  EXPECT_NE(MarkOf(attempt), MarkOf({"192.0.2.1", "bob@example.org", "x"}));
  EXPECT_NE(MarkOf(attempt), MarkOf({"192.0.2.1", "ann@example.org", "y"}));
  EXPECT_EQ(MarkOf({"192.0.2.1", "ann@example.org", ""}), 0u);
  EXPECT_NE(MarkOf(attempt), 0u);
}

TEST(ScreenRulesTest, UsersHaveOneNameInAllSpellings) {
  EXPECT_EQ(NormalUser("Ann@M\u00fcnchen.Example"), NormalUser("ann@xn--mnchen-3ya.example"));
  EXPECT_EQ(NormalUser("M\u00fcnchen.Example"), "xn--mnchen-3ya.example");
  EXPECT_EQ(NormalUser("no user AT all"), "no user at all");
}

TEST(ScreenRulesTest, PenaltiesDoubleUpToTheLongest) {
  ScreenRules rules = Rules();
  rules.block_time = absl::Hours(1);
  rules.block_time_max = absl::Hours(5);
  std::optional<BlockRecord> block;
  absl::Time now = kNow;
  for (int hours : {1, 2, 4, 5, 5}) {
    block = NextBlock(rules, block, "r", now);
    EXPECT_EQ(block->end_time() - block->begin_time(), hours * 3600);
    EXPECT_TRUE(IsInForce(*block, now + absl::Hours(hours) - absl::Seconds(1)));
    EXPECT_FALSE(IsInForce(*block, now + absl::Hours(hours)));
    now += absl::Hours(hours);
  }
  EXPECT_EQ(block->times(), 5);
  EXPECT_EQ(TimeToKeep(rules, *block, now), absl::Hours(5));
  EXPECT_EQ(NextBlock(rules, block, "r", now + absl::Hours(5)).times(), 1);
  EXPECT_EQ(NextBlock(rules, block, "r", now + absl::Hours(4)).times(), 6);
}

TEST(ScreenRulesTest, BlockWithoutEndHoldsUntilItIsRemoved) {
  BlockRecord block;
  block.set_begin_time(1);
  EXPECT_TRUE(IsInForce(block, kNow + absl::Hours(100'000)));
  EXPECT_EQ(TimeToKeep(Rules(), block, kNow), std::nullopt);
}

TEST(ScreenRulesTest, OneIpv4AddressOrOneIpv6SubnetIsOneClient) {
  EXPECT_EQ(ScreenedNetwork(*net::IpAddress::Parse("192.0.2.1")).ToString(), "192.0.2.1/32");
  EXPECT_EQ(ScreenedNetwork(*net::IpAddress::Parse("2001:db8:1:2:3::4")).ToString(),
            "2001:db8:1:2::/64");
  EXPECT_EQ(ScreenedNetwork(*net::IpAddress::Parse("::ffff:192.0.2.1")).ToString(), "192.0.2.1/32");
}

TEST(ScreenRulesTest, AllowedNetworksAreNeverBlockedNotEvenInPart) {
  ScreenRules rules = Rules();
  rules.allowed = {*net::IpNetwork::Parse("192.0.2.0/24")};
  EXPECT_TRUE(rules.IsAllowed(*net::IpAddress::Parse("192.0.2.77")));
  EXPECT_FALSE(rules.IsAllowed(*net::IpAddress::Parse("192.0.3.77")));
  for (const char* network : {"192.0.2.7/32", "192.0.2.0/24", "192.0.0.0/16"}) {
    EXPECT_TRUE(rules.OverlapsAllowed(*net::IpNetwork::Parse(network))) << network;
  }
  EXPECT_FALSE(rules.OverlapsAllowed(*net::IpNetwork::Parse("192.0.3.0/24")));
}

TEST(ScreenRulesTest, ManyFailuresFitIntoOneEntryOfTheSharedState) {
  const ScreenRules rules{.failures_max = 10'000, .window = absl::Hours(7 * 24)};
  WatchRecord watch;
  for (uint32_t i = 0; i < 9'999; ++i) {
    EXPECT_EQ(AddFailure(rules, i + 1, kNow + i * absl::Seconds(60), watch),
              FailureEffect::kCounted);
  }
  EXPECT_LT(watch.ByteSizeLong(), 64u * 1024);
}

}  // namespace
}  // namespace turnpike::auth
