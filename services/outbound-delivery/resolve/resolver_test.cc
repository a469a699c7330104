#include "services/outbound-delivery/resolve/resolver.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/outbound-delivery/resolve/testing/fake_dns.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ResolverTest : public ::testing::Test {
 protected:
  Resolution Resolve(const RoutePlan& plan) {
    Resolver resolver(
        dns_,
        {.is_own_name = [](const std::string& name) { return name == "us.example"; },
         .is_own_endpoint =
             [](const net::IpAddress& address, uint16_t port) {
               return address.ToString() == "192.0.2.99" && port == 25;
             }},
        {.allow_forbidden_addresses = allow_forbidden_, .random = [](size_t n) { return n - 1; }});
    Resolution result;
    int calls = 0;
    resolver.Resolve(plan, [&](Resolution resolution) {
      result = std::move(resolution);
      ++calls;
    });
    EXPECT_EQ(calls, 1);
    return result;
  }
  Resolution ResolveDomain(const std::string& domain) { return Resolve({.name = domain}); }

  static std::vector<std::string> Texts(const Resolution& resolution) {
    std::vector<std::string> texts;
    for (const Hop& hop : resolution.hops) texts.push_back(hop.ToString());
    return texts;
  }

  FakeDns dns_;
  bool allow_forbidden_ = false;
};

TEST_F(ResolverTest, MxHostsComeInOrderOfPreference) {
  dns_.SetMx("far.example", {{20, "mx2.far.example"}, {10, "mx1.far.example"}});
  dns_.SetAddresses("mx1.far.example", {"192.0.2.1", "2001:db8::1"});
  dns_.SetAddresses("mx2.far.example", {"192.0.2.2"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")),
              ElementsAre("mx1.far.example [2001:db8::1]:25", "mx1.far.example [192.0.2.1]:25",
                          "mx2.far.example [192.0.2.2]:25"));
}

TEST_F(ResolverTest, WithoutMxTheDomainsOwnAddressesCount) {
  dns_.SetAddresses("far.example", {"192.0.2.1"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("far.example [192.0.2.1]:25"));
}

TEST_F(ResolverTest, WithMxTheDomainsOwnAddressesDoNotCount) {
  dns_.SetMx("far.example", {{10, "gone.example"}});
  dns_.SetAddresses("far.example", {"192.0.2.1"});
  const Resolution resolution = ResolveDomain("far.example");
  EXPECT_THAT(resolution.hops, IsEmpty());
  EXPECT_EQ(resolution.failure, smtp::Reply(kNoMailHost));
}

TEST_F(ResolverTest, NullMxIsReturned) {
  dns_.SetMx("far.example", {{0, ""}});
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kNullMx));
}

TEST_F(ResolverTest, UnknownDomainIsReturned) {
  EXPECT_EQ(ResolveDomain("unknown.example").failure, smtp::Reply(kNoSuchDomain));
}

TEST_F(ResolverTest, DomainWithoutMxIsReturnedWhereThatIsWanted) {
  dns_.SetAddresses("far.example", {"192.0.2.1"});
  const Resolution resolution = Resolve({.name = "far.example", .returns_without_mx = true});
  EXPECT_EQ(resolution.failure, smtp::Reply(kNoMx));
  EXPECT_FALSE(resolution.is_unreachable());
}

TEST_F(ResolverTest, HostsThatWereAskedAreAvoided) {
  dns_.SetMx("far.example", {{10, "mx1.far.example"}, {20, "mx2.far.example"}});
  dns_.SetAddresses("mx1.far.example", {"192.0.2.1"});
  dns_.SetAddresses("mx2.far.example", {"192.0.2.2"});
  RoutePlan plan{.name = "far.example", .avoided_hosts = {"mx1.far.example"}};
  EXPECT_THAT(Texts(Resolve(plan)), ElementsAre("mx2.far.example [192.0.2.2]:25"));
  plan.avoided_hosts.push_back("mx2.far.example");
  EXPECT_EQ(Resolve(plan).failure, smtp::Reply(kNoFurtherHost));
  dns_.SetAddresses("single.example", {"192.0.2.1"});
  EXPECT_EQ(Resolve({.name = "single.example", .avoided_hosts = {"single.example"}}).failure,
            smtp::Reply(kNoFurtherHost));
}

TEST_F(ResolverTest, WhatNobodyCanBeFoundForIsUnreachable) {
  EXPECT_TRUE(ResolveDomain("unknown.example").is_unreachable());
  dns_.SetMx("null.example", {{0, ""}});
  EXPECT_FALSE(ResolveDomain("null.example").is_unreachable());
  dns_.SetMx("loop.example", {{10, "us.example"}});
  EXPECT_FALSE(ResolveDomain("loop.example").is_unreachable());
  dns_.SetMx("inside.example", {{10, "inside.example"}});
  dns_.SetAddresses("inside.example", {"127.0.0.1"});
  EXPECT_FALSE(ResolveDomain("inside.example").is_unreachable());
}

TEST_F(ResolverTest, DnsFailureIsNoAnswer) {
  for (auto result : {DnsAnswer::Result::kServFail, DnsAnswer::Result::kTimeout}) {
    dns_.Set({"far.example", RecordType::kMx}, {.result = result});
    EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kDnsFailure));
  }
}

TEST_F(ResolverTest, FailureForOneHostDoesNotHideTheOthers) {
  dns_.SetMx("far.example", {{10, "a.example"}, {20, "b.example"}});
  dns_.Set({"a.example", RecordType::kA}, {.result = DnsAnswer::Result::kServFail});
  dns_.SetAddresses("b.example", {"192.0.2.2"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("b.example [192.0.2.2]:25"));
  dns_.SetAddresses("b.example", {});
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kDnsFailure));
}

TEST_F(ResolverTest, LoopIsCutByName) {
  dns_.SetMx("far.example", {{10, "a.example"}, {20, "us.example"}, {30, "b.example"}});
  dns_.SetAddresses("a.example", {"192.0.2.1"});
  dns_.SetAddresses("b.example", {"192.0.2.2"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("a.example [192.0.2.1]:25"));
  dns_.SetMx("far.example", {{10, "us.example"}, {30, "b.example"}});
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kLoopsToUs));
}

TEST_F(ResolverTest, LoopIsCutByAddress) {
  dns_.SetMx("far.example", {{10, "a.example"}, {20, "alias.example"}, {20, "b.example"}});
  dns_.SetAddresses("a.example", {"192.0.2.1"});
  dns_.SetAddresses("alias.example", {"192.0.2.99"});
  dns_.SetAddresses("b.example", {"192.0.2.2"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("a.example [192.0.2.1]:25"));
  dns_.SetMx("far.example", {{20, "b.example"}, {20, "alias.example"}});
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kLoopsToUs));
}

TEST_F(ResolverTest, AddressesThatMailMustNotReachAreLeftOut) {
  dns_.SetMx("far.example", {{10, "a.example"}});
  dns_.SetAddresses("a.example", {"127.0.0.1", "169.254.169.254", "::1"});
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kForbiddenAddress));
  dns_.SetAddresses("a.example", {"127.0.0.1", "192.0.2.1"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("a.example [192.0.2.1]:25"));
  allow_forbidden_ = true;
  EXPECT_EQ(ResolveDomain("far.example").hops.size(), 2u);
}

TEST_F(ResolverTest, AddressLiteralNeedsNoDnsAndIsFiltered) {
  const RoutePlan plan{.target = RoutePlan::Target::kAddress, .name = "192.0.2.7"};
  EXPECT_THAT(Texts(Resolve(plan)), ElementsAre("[192.0.2.7]:25"));
  EXPECT_EQ(Resolve({.target = RoutePlan::Target::kAddress, .name = "127.0.0.1"}).failure,
            smtp::Reply(kForbiddenAddress));
  EXPECT_THAT(Texts(Resolve({.target = RoutePlan::Target::kAddress,
                             .name = "127.0.0.1",
                             .port = 2525,
                             .is_trusted = true})),
              ElementsAre("[127.0.0.1]:2525"));
  EXPECT_EQ(dns_.asked(), 0);
}

TEST_F(ResolverTest, HostTargetDoesNotUseMx) {
  dns_.SetMx("host.example", {{10, "other.example"}});
  dns_.SetAddresses("host.example", {"192.0.2.5"});
  EXPECT_THAT(Texts(Resolve({.target = RoutePlan::Target::kHost, .name = "host.example"})),
              ElementsAre("host.example [192.0.2.5]:25"));
}

TEST_F(ResolverTest, MailToAConfiguredTargetIsNeverReturnedForWhatDnsSays) {
  for (RoutePlan::Target target : {RoutePlan::Target::kDomain, RoutePlan::Target::kHost}) {
    const Resolution resolution =
        Resolve({.target = target, .name = "unknown.example", .is_indirect = true});
    EXPECT_EQ(resolution.failure, smtp::Reply(kTargetNotFound));
  }
}

TEST_F(ResolverTest, AliasThatLeadsToAnotherZoneIsAskedFor) {
  dns_.SetMx("far.example", {{10, "a.example"}});
  for (RecordType type : {RecordType::kA, RecordType::kAaaa}) {
    dns_.Set({"a.example", type},
             {.result = DnsAnswer::Result::kNoData, .alias = "target.example"});
  }
  dns_.SetAddresses("target.example", {"192.0.2.8"});
  EXPECT_THAT(Texts(ResolveDomain("far.example")), ElementsAre("a.example [192.0.2.8]:25"));
}

TEST_F(ResolverTest, EndlessAliasesEnd) {
  dns_.SetMx("far.example", {{10, "a.example"}});
  for (RecordType type : {RecordType::kA, RecordType::kAaaa}) {
    dns_.Set({"a.example", type}, {.result = DnsAnswer::Result::kNoData, .alias = "a.example"});
  }
  EXPECT_EQ(ResolveDomain("far.example").failure, smtp::Reply(kNoMailHost));
}

TEST_F(ResolverTest, NumberOfAddressesIsBounded) {
  std::vector<std::string> addresses;
  for (int i = 1; i < 200; ++i) addresses.push_back(absl::StrCat("192.0.2.", i));
  addresses.erase(addresses.begin() + 98);  // ours
  dns_.SetAddresses("far.example", addresses);
  EXPECT_EQ(ResolveDomain("far.example").hops.size(), kAddressesPerHostMax);
}

}  // namespace
}  // namespace turnpike::delivery
