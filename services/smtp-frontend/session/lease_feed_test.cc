#include "services/smtp-frontend/session/lease_feed.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "services/spool-store/client/shard_id.h"

namespace turnpike::frontend {
namespace {

using Next = LeaseFeed::Next;

spool::v1::LeaseResponse Deliveries(std::initializer_list<uint64_t> ids, bool is_drained) {
  spool::v1::LeaseResponse response;
  for (uint64_t id : ids) {
    response.add_deliveries()->mutable_token()->set_delivery_id(id);
  }
  response.set_drained(is_drained);
  return response;
}

// Asks for the next; what came of it, once it has come.
std::shared_ptr<std::optional<Next>> Ask(LeaseFeed& feed) {
  auto next = std::make_shared<std::optional<Next>>();
  feed.WhenNext([next](Next value) { *next = std::move(value); });
  return next;
}

uint64_t IdOf(const std::optional<Next>& next) {
  return std::get<spool::v1::LeasedDelivery>(*next).token().delivery_id();
}

TEST(LeaseFeedTest, DeliveriesComeInOrderAndThenTheEnd) {
  LeaseFeed feed;
  feed.OnLeased(Deliveries({1, 2}, true));
  EXPECT_EQ(IdOf(*Ask(feed)), 1u);
  EXPECT_EQ(IdOf(*Ask(feed)), 2u);
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Drained>(**Ask(feed)));
}

TEST(LeaseFeedTest, WaitEndsWhenADeliveryComes) {
  LeaseFeed feed;
  const auto next = Ask(feed);
  EXPECT_FALSE(next->has_value());
  feed.OnLeased(Deliveries({7}, false));
  EXPECT_EQ(IdOf(*next), 7u);
}

TEST(LeaseFeedTest, WhatIsWaitingCanBeTakenUnlessTheFeedIsStopped) {
  LeaseFeed feed;
  EXPECT_FALSE(feed.TakeWaiting().has_value());
  feed.OnLeased(Deliveries({1, 2}, true));
  EXPECT_EQ(feed.TakeWaiting()->token().delivery_id(), 1u);
  feed.Stop();
  EXPECT_FALSE(feed.TakeWaiting().has_value());
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Stopped>(**Ask(feed)));
}

TEST(LeaseFeedTest, NewCreditMakesAnEarlierEndVoid) {
  LeaseFeed feed;
  feed.OnLeased(Deliveries({}, true));
  feed.ExpectMore();
  const auto next = Ask(feed);
  EXPECT_FALSE(next->has_value());
  feed.OnLeased(Deliveries({}, true));
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Drained>(**next));
}

TEST(LeaseFeedTest, WhatALostShardHasLeasedIsNotHandedOut) {
  LeaseFeed feed;
  const uint64_t kept = 7;
  const uint64_t lost = spool::FirstIdOf(2) + 7;
  feed.OnLeased(Deliveries({lost, kept}, true));
  feed.OnShardLost(2, absl::UnavailableError("away"));
  EXPECT_EQ(IdOf(*Ask(feed)), kept);
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Drained>(**Ask(feed)));
  EXPECT_EQ(feed.LostShards(), std::vector<uint32_t>{2});
  spool::v1::LeaseToken token;
  token.set_delivery_id(kept);
  EXPECT_TRUE(feed.IsHeld(token));
  token.set_delivery_id(lost);
  EXPECT_FALSE(feed.IsHeld(token));
}

TEST(LeaseFeedTest, RevokedDeliveryIsNotHandedOut) {
  LeaseFeed feed;
  feed.OnLeased(Deliveries({1, 2}, true));
  spool::v1::LeaseResponse revocation;
  revocation.add_revoked()->set_delivery_id(1);
  feed.OnLeased(revocation);
  EXPECT_FALSE(feed.IsHeld(revocation.revoked(0)));
  EXPECT_EQ(IdOf(*Ask(feed)), 2u);
  // It said nothing about there being more.
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Drained>(**Ask(feed)));
}

TEST(LeaseFeedTest, StopAndCloseEndAWait) {
  LeaseFeed stopped;
  const auto first = Ask(stopped);
  stopped.Stop();
  EXPECT_TRUE(std::holds_alternative<LeaseFeed::Stopped>(**first));

  LeaseFeed closed;
  const auto second = Ask(closed);
  closed.OnClosed(absl::UnavailableError("away"));
  ASSERT_TRUE(std::holds_alternative<LeaseFeed::Closed>(**second));
  EXPECT_TRUE(absl::IsUnavailable(std::get<LeaseFeed::Closed>(**second).status));
  EXPECT_FALSE(closed.IsHeld(spool::v1::LeaseToken()));
}

TEST(LeaseFeedTest, WaitingDeliveriesAreToBeRenewed) {
  LeaseFeed feed;
  feed.OnLeased(Deliveries({1, 2, 3}, false));
  Ask(feed);
  EXPECT_EQ(feed.WaitingTokens().size(), 2u);
}

}  // namespace
}  // namespace turnpike::frontend
