#include "services/outbound-delivery/core/route_table.h"

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

// A table with the logins of its configuration.
struct Table {
  explicit Table(const config::v1::Config& config)
      : logins(*Logins::FromConfig(config)), routes(config, logins) {}

  smtp::ReplyOr<RoutePlan> PlanFor(spool::v1::QueueKind kind, const std::string& name,
                                   const mail::v1::Route& route = {},
                                   const Sender& sender = {}) const {
    spool::v1::QueueName queue;
    queue.set_kind(kind);
    queue.set_name(name);
    return routes.PlanFor(queue, route, sender);
  }
  RoutePlan Remote(const std::string& name, const Sender& sender = {}) const {
    const auto plan = PlanFor(spool::v1::QUEUE_KIND_REMOTE, name, {}, sender);
    EXPECT_TRUE(plan.ok());
    return plan.ok() ? *plan : RoutePlan();
  }

  const Logins logins;
  const RouteTable routes;
};

smtp::ReplyOr<RoutePlan> PlanFor(spool::v1::QueueKind kind, const std::string& name,
                                 const mail::v1::Route& route = {}) {
  return Table(MakeConfig()).PlanFor(kind, name, route);
}

TEST(RouteTableTest, RemoteMailGoesByDns) {
  const auto plan = PlanFor(spool::v1::QUEUE_KIND_REMOTE, "far.example");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target, RoutePlan::Target::kDomain);
  EXPECT_EQ(plan->kind, RoutePlan::Kind::kDirect);
  EXPECT_EQ(plan->name, "far.example");
  EXPECT_EQ(plan->port, 2525);
  EXPECT_FALSE(plan->is_trusted);
  EXPECT_FALSE(plan->is_indirect);
  EXPECT_EQ(plan->fallback, nullptr);
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
  EXPECT_EQ(lmtp->target, RoutePlan::Target::kAddress);
  EXPECT_EQ(lmtp->kind, RoutePlan::Kind::kLocal);
  EXPECT_EQ(lmtp->name, "::1");
  EXPECT_EQ(lmtp->port, 2424);
  EXPECT_TRUE(lmtp->is_lmtp && lmtp->is_trusted && lmtp->is_indirect);
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
  EXPECT_EQ(plan->target, RoutePlan::Target::kAddress);
  EXPECT_EQ(plan->kind, RoutePlan::Kind::kGateway);
  EXPECT_EQ(plan->name, "127.0.0.9");
  EXPECT_EQ(plan->port, 2600);
  EXPECT_TRUE(plan->is_trusted && plan->is_indirect);
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

TEST(RouteTableTest, ReleaseMayNameTheGatewaysOwnLogin) {
  config::v1::Config config = MakeConfig();
  config::v1::Gateway* gateway = config.add_gateways();
  gateway->set_domain("branch.example");
  gateway->mutable_etrn()->mutable_auth()->set_username("branch");
  mail::v1::Route route;
  route.set_host("host.example");
  route.set_credential("gateways/branch.example/etrn");
  const auto plan = Table(config).PlanFor(spool::v1::QUEUE_KIND_GATEWAY, "branch.example", route);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->login, "gateways/branch.example/etrn");
}

config::v1::Config SmartHostConfig(config::v1::DeliveryMode mode) {
  config::v1::Config config = MakeConfig();
  config::v1::Delivery* delivery = config.mutable_delivery();
  delivery->set_mode(mode);
  config::v1::SmartHost* smart_host = delivery->mutable_smart_host();
  smart_host->set_host("Relay.example");
  smart_host->set_port(587);
  smart_host->mutable_auth()->set_username("all");
  config::v1::Account* account = config.add_accounts();
  account->set_address("ann@office.example");
  account->add_aliases("a.smith@office.example");
  account->mutable_smart_host()->set_username("ann");
  config.add_accounts()->set_address("bob@office.example");
  return config;
}

TEST(RouteTableTest, AllRemoteMailGoesToTheSmartHost) {
  const RoutePlan plan =
      Table(SmartHostConfig(config::v1::DELIVERY_MODE_SMART_HOST)).Remote("far.example");
  EXPECT_EQ(plan.kind, RoutePlan::Kind::kSmartHost);
  EXPECT_EQ(plan.target, RoutePlan::Target::kHost);
  EXPECT_EQ(plan.name, "relay.example");
  EXPECT_EQ(plan.port, 587);
  EXPECT_EQ(plan.login, "smart_host");
  EXPECT_TRUE(plan.is_indirect && plan.is_trusted);
}

TEST(RouteTableTest, SmartHostMayBeADomainOrAnAddress) {
  config::v1::Config config = SmartHostConfig(config::v1::DELIVERY_MODE_SMART_HOST);
  config.mutable_delivery()->mutable_smart_host()->set_use_mx(true);
  EXPECT_EQ(Table(config).Remote("far.example").target, RoutePlan::Target::kDomain);
  config.mutable_delivery()->mutable_smart_host()->set_host("[2001:db8::7]");
  const RoutePlan plan = Table(config).Remote("far.example");
  EXPECT_EQ(plan.target, RoutePlan::Target::kAddress);
  EXPECT_EQ(plan.name, "2001:db8::7");
}

TEST(RouteTableTest, DirectMailHasTheSmartHostAsItsFallback) {
  const Table table(SmartHostConfig(config::v1::DELIVERY_MODE_DIRECT_THEN_SMART_HOST));
  const RoutePlan plan = table.Remote("far.example");
  EXPECT_EQ(plan.kind, RoutePlan::Kind::kDirect);
  EXPECT_EQ(plan.login, "");
  ASSERT_NE(plan.fallback, nullptr);
  EXPECT_EQ(plan.fallback->kind, RoutePlan::Kind::kSmartHost);
  EXPECT_EQ(plan.fallback->login, "smart_host");
}

TEST(RouteTableTest, AccountsOwnLoginIsUsedByAuthenticationThenByReturnPath) {
  config::v1::Config config = SmartHostConfig(config::v1::DELIVERY_MODE_SMART_HOST);
  config.mutable_delivery()->mutable_smart_host()->set_per_account_auth(true);
  const Table table(config);
  const std::string own = "accounts/ann@office.example/smart_host";
  const auto login = [&](const Sender& sender) { return table.Remote("x.example", sender).login; };
  EXPECT_EQ(login({.account = "ann@office.example", .return_path = "bob@office.example"}), own);
  EXPECT_EQ(login({.return_path = "A.Smith@OFFICE.example"}), own);
  EXPECT_EQ(login({.account = "bob@office.example", .return_path = "ann@office.example"}),
            "smart_host");
  EXPECT_EQ(login({.return_path = "stranger@far.example"}), "smart_host");
  EXPECT_EQ(login({}), "smart_host");
}

TEST(RouteTableTest, DifferentLoginsAreDifferentDestinationsUnderOneLimit) {
  config::v1::Config config = SmartHostConfig(config::v1::DELIVERY_MODE_SMART_HOST);
  config.mutable_delivery()->mutable_smart_host()->set_per_account_auth(true);
  const Table table(config);
  spool::v1::QueueName queue;
  queue.set_name("x.example");
  const RoutePlan own = table.Remote("x.example", {.account = "ann@office.example"});
  const RoutePlan common = table.Remote("x.example");
  EXPECT_NE(own.KeyFor(queue), common.KeyFor(queue));
  EXPECT_EQ(own.LimitKeyFor(queue), common.LimitKeyFor(queue));
  queue.set_name("y.example");
  EXPECT_EQ(common.KeyFor(queue), table.Remote("y.example").KeyFor(queue));
}

TEST(RouteTableTest, FirstExceptionThatMatchesDecides) {
  config::v1::Config config = SmartHostConfig(config::v1::DELIVERY_MODE_DIRECT);
  config::v1::DeliveryRoute* first = config.mutable_delivery()->add_routes();
  first->add_domains("special.example");
  first->add_domains("*.below.example");
  first->set_host("store.example");
  first->set_lmtp(true);
  first->set_connections_per_destination_max(3);
  first->set_messages_per_minute_max(60);
  first->mutable_retry()->mutable_first_interval()->set_seconds(7);
  config::v1::DeliveryRoute* second = config.mutable_delivery()->add_routes();
  second->add_domains("*.example");
  second->mutable_smart_host()->set_host("192.0.2.9");
  second->mutable_smart_host()->set_port(26);
  const Table table(config);
  for (const char* name : {"special.example", "a.below.example", "b.a.below.example"}) {
    const RoutePlan plan = table.Remote(name);
    EXPECT_EQ(plan.kind, RoutePlan::Kind::kFixed) << name;
    EXPECT_EQ(plan.name, "store.example");
    EXPECT_EQ(plan.port, 24);
    EXPECT_TRUE(plan.is_lmtp);
    EXPECT_EQ(plan.connections_max, 3u);
    EXPECT_EQ(plan.messages_per_minute_max, 60);
    EXPECT_EQ(plan.retry->first_interval, absl::Seconds(7));
  }
  const RoutePlan other = table.Remote("below.example");
  EXPECT_EQ(other.kind, RoutePlan::Kind::kSmartHost);
  EXPECT_EQ(other.name, "192.0.2.9");
  EXPECT_EQ(table.Remote("elsewhere.test").kind, RoutePlan::Kind::kDirect);
}

TEST(RouteTableTest, ExceptionMayChangeTlsAndRetryOnly) {
  config::v1::Config config = MakeConfig();
  config::v1::DeliveryRoute* route = config.mutable_delivery()->add_routes();
  route->add_domains("safe.example");
  route->set_tls(config::v1::DELIVERY_TLS_VERIFIED);
  const RoutePlan plan = Table(config).Remote("safe.example");
  EXPECT_EQ(plan.kind, RoutePlan::Kind::kDirect);
  EXPECT_EQ(plan.target, RoutePlan::Target::kDomain);
  EXPECT_EQ(plan.tls, RoutePlan::Tls::kVerified);
}

}  // namespace
}  // namespace turnpike::delivery
