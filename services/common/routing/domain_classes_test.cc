#include "services/common/routing/domain_classes.h"

#include "gtest/gtest.h"

namespace turnpike::routing {
namespace {

DomainClasses MakeClasses() {
  config::v1::Config config;
  config.set_hostname("mx.example.org");
  config::v1::Gateway* gateway = config.add_gateways();
  gateway->set_domain("branch.example");
  gateway->add_aliases("xn--bcher-kva.example");
  config.add_local_domains()->set_domain("local.example");
  config.add_relay_domains("relay.example");
  return DomainClasses(config);
}

Place PlaceOf(absl::string_view address) {
  return MakeClasses().PlaceOf(*smtp::Mailbox::Parse(address, {.allow_utf8 = true}));
}

TEST(DomainClassesTest, GatewayAndItsAliasShareOneHeldQueue) {
  for (const char* address : {"a@branch.example", "a@Branch.EXAMPLE", "a@xn--bcher-kva.example",
                              "a@b\xc3\xbc"
                              "cher.example"}) {
    const Place place = PlaceOf(address);
    EXPECT_EQ(place.queue.kind(), spool::v1::QUEUE_KIND_GATEWAY) << address;
    EXPECT_EQ(place.queue.name(), "branch.example") << address;
    EXPECT_TRUE(place.hold) << address;
  }
}

TEST(DomainClassesTest, LocalDomainHasALocalQueueThatIsNotHeld) {
  const Place place = PlaceOf("a@local.example");
  EXPECT_EQ(place.queue.kind(), spool::v1::QUEUE_KIND_LOCAL);
  EXPECT_EQ(place.queue.name(), "local.example");
  EXPECT_FALSE(place.hold);
}

TEST(DomainClassesTest, EveryOtherDomainIsRemote) {
  for (const char* domain : {"relay.example", "sub.branch.example", "elsewhere.example"}) {
    const Place place = PlaceOf(std::string("a@") + domain);
    EXPECT_EQ(place.queue.kind(), spool::v1::QUEUE_KIND_REMOTE);
    EXPECT_EQ(place.queue.name(), domain);
    EXPECT_FALSE(place.hold);
  }
}

TEST(DomainClassesTest, AddressLiteralKeepsItsBrackets) {
  EXPECT_EQ(PlaceOf("a@[192.0.2.1]").queue.name(), "[192.0.2.1]");
  EXPECT_EQ(PlaceOf("a@[192.0.2.1]").queue.kind(), spool::v1::QUEUE_KIND_REMOTE);
}

TEST(DomainClassesTest, BarePostmasterBelongsToOurHostName) {
  EXPECT_EQ(PlaceOf("postmaster").queue.name(), "mx.example.org");
}

}  // namespace
}  // namespace turnpike::routing
