#include "services/outbound-delivery/core/route_plan.h"

#include <vector>

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

spool::v1::QueueName Queue(const std::string& name) {
  spool::v1::QueueName queue;
  queue.set_kind(spool::v1::QUEUE_KIND_REMOTE);
  queue.set_name(name);
  return queue;
}

TEST(RoutePlanTest, AllThatDecidesAboutConnectionsIsInTheKey) {
  const RoutePlan plan{.name = "relay.example"};
  std::vector<RoutePlan> others(7, plan);
  others[0].name = "other.example";
  others[1].port = 587;
  others[2].is_lmtp = true;
  others[3].login = "smart_host";
  others[4].tls = RoutePlan::Tls::kVerified;
  others[5].avoided_hosts = {"mx1.example"};
  others[6].pop_check = "smart_host";
  for (const RoutePlan& other : others) {
    EXPECT_NE(other.KeyFor(Queue("a.example")), plan.KeyFor(Queue("a.example")));
  }
}

TEST(RoutePlanTest, WhatIsEachDeliverysOwnIsNot) {
  const RoutePlan plan{.name = "relay.example"};
  RoutePlan other = plan;
  other.fallback = std::make_shared<const RoutePlan>();
  other.retry = std::make_shared<const RetryPolicy>();
  EXPECT_EQ(other.KeyFor(Queue("a.example")), plan.KeyFor(Queue("a.example")));
}

TEST(RoutePlanTest, OnlyConfiguredHostsAreSharedByQueues) {
  RoutePlan plan{.name = "relay.example"};
  EXPECT_NE(plan.KeyFor(Queue("a.example")), plan.KeyFor(Queue("b.example")));
  for (const RoutePlan::Kind kind : {RoutePlan::Kind::kSmartHost, RoutePlan::Kind::kFixed}) {
    plan.kind = kind;
    EXPECT_EQ(plan.KeyFor(Queue("a.example")), plan.KeyFor(Queue("b.example")));
  }
}

}  // namespace
}  // namespace turnpike::delivery
