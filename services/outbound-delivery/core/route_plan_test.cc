#include "services/outbound-delivery/core/route_plan.h"

#include "gtest/gtest.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

config::v1::Config MakeConfig() {
  config::v1::Config config;
  config.mutable_delivery()->set_smtp_port(2525);
  config::v1::LocalDomain* lmtp = config.add_local_domains();
  lmtp->set_domain("lmtp.example");
  lmtp->set_mailbox_server("[::1]:2424");
  lmtp->set_lmtp(true);
  config::v1::LocalDomain* smtp = config.add_local_domains();
  smtp->set_domain("smtp.example");
  smtp->set_mailbox_server("store.example:26");
  return config;
}

smtp::ReplyOr<RoutePlan> PlanFor(spool::v1::QueueKind kind, const std::string& name,
                                 const mail::v1::Route& route = {}) {
  spool::v1::QueueName queue;
  queue.set_kind(kind);
  queue.set_name(name);
  return RouteTable(MakeConfig()).PlanFor(queue, route);
}

TEST(RouteTableTest, RemoteMailGoesByDns) {
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_REMOTE, "far.example");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(*plan, (RoutePlan{.name = "far.example", .port = 2525}));
}

TEST(RouteTableTest, AddressLiteralIsNotTrusted) {
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_REMOTE, "[IPv6:2001:db8::1]");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target, RoutePlan::Target::kAddress);
  EXPECT_EQ(plan->name, "2001:db8::1");
  EXPECT_FALSE(plan->is_trusted);
}

TEST(RouteTableTest, LocalMailGoesToItsMailboxServer) {
  const auto lmtp = PlanFor(spool::v1::QUEUE_KIND_LOCAL, "lmtp.example");
  ASSERT_TRUE(lmtp.ok());
  EXPECT_EQ(*lmtp, (RoutePlan{.target = RoutePlan::Target::kAddress,
                              .kind = RoutePlan::Kind::kLocal,
                              .name = "::1",
                              .port = 2424,
                              .is_lmtp = true,
                              .is_trusted = true,
                              .is_indirect = true}));
  const auto smtp = PlanFor(spool::v1::QUEUE_KIND_LOCAL, "smtp.example");
  ASSERT_TRUE(smtp.ok());
  EXPECT_EQ(smtp->target, RoutePlan::Target::kHost);
  EXPECT_EQ(smtp->name, "store.example");
  EXPECT_EQ(smtp->port, 26);
  EXPECT_FALSE(smtp->is_lmtp);
}

TEST(RouteTableTest, LocalDomainThatIsNoLongerConfiguredWaits) {
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_LOCAL, "gone.example");
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.reply(), smtp::Reply(kNoMailboxServer));
}

TEST(RouteTableTest, ReleaseToTheRequestingHostNamesAnAddress) {
  mail::v1::Route route;
  route.set_address("127.0.0.9");
  route.set_port(2600);
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(*plan, (RoutePlan{.target = RoutePlan::Target::kAddress,
                              .kind = RoutePlan::Kind::kGateway,
                              .name = "127.0.0.9",
                              .port = 2600,
                              .is_trusted = true,
                              .is_indirect = true}));
}

TEST(RouteTableTest, ReleaseMayNameADomainOrAHost) {
  mail::v1::Route route;
  route.set_domain("Target.Example");
  auto plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target, RoutePlan::Target::kDomain);
  EXPECT_EQ(plan->name, "target.example");
  EXPECT_FALSE(plan->is_trusted);
  route.set_host("host.example");
  plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target, RoutePlan::Target::kHost);
}

TEST(RouteTableTest, ReleaseToALocalDomainIsLocalDeliveryUnlessTreatedAsForeign) {
  mail::v1::Route route;
  route.set_domain("lmtp.example");
  auto plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->is_lmtp);
  route.set_treat_as_foreign(true);
  plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target, RoutePlan::Target::kDomain);
  EXPECT_FALSE(plan->is_lmtp);
}

TEST(RouteTableTest, UnknownLoginKeepsTheMailHere) {
  mail::v1::Route route;
  route.set_host("host.example");
  route.set_credential("gateways/branch.example/etrn");
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_FALSE(plan.ok());
  EXPECT_TRUE(plan.reply().is_transient());
}

}  // namespace
}  // namespace turnpike::delivery
