#include "services/outbound-delivery/transport/connection_key.h"

#include <functional>

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

struct Subject {
  RoutePlan plan;
  Hop hop;
  TlsDemand demand;

  std::string key() const { return ConnectionKey(plan, hop, demand); }
};

Subject MakeSubject(const std::string& domain = "one.example") {
  Subject subject;
  subject.plan.name = domain;
  subject.hop.host = "mx.provider.example";
  subject.hop.address = *net::IpAddress::Parse("192.0.2.1");
  return subject;
}

TEST(ConnectionKeyTest, DomainsOfOneHostShare) {
  EXPECT_EQ(MakeSubject("one.example").key(), MakeSubject("two.example").key());
}

TEST(ConnectionKeyTest, WhatMattersOfAHostIsWhereItIs) {
  Subject other = MakeSubject();
  other.hop.preference = 20;
  other.hop.is_host_authentic = true;
  EXPECT_EQ(MakeSubject().key(), other.key());
}

struct Difference {
  const char* name;
  std::function<void(Subject&)> apply;
};

class ConnectionKeyDifferenceTest : public ::testing::TestWithParam<Difference> {};

TEST_P(ConnectionKeyDifferenceTest, IsNotShared) {
  Subject other = MakeSubject("two.example");
  GetParam().apply(other);
  EXPECT_NE(MakeSubject("one.example").key(), other.key());
}

INSTANTIATE_TEST_SUITE_P(
    All, ConnectionKeyDifferenceTest,
    ::testing::Values(
        Difference{"HostName", [](Subject& s) { s.hop.host = "mx.other.example"; }},
        Difference{"Address",
                   [](Subject& s) { s.hop.address = *net::IpAddress::Parse("192.0.2.2"); }},
        Difference{"Port", [](Subject& s) { s.hop.port = 2525; }},
        Difference{"Protocol", [](Subject& s) { s.hop.is_lmtp = true; }},
        Difference{"Kind", [](Subject& s) { s.plan.kind = RoutePlan::Kind::kSmartHost; }},
        Difference{"Login", [](Subject& s) { s.plan.login = "account ann@example.org"; }},
        Difference{"PopCheck", [](Subject& s) { s.plan.pop_check = "smart host"; }},
        Difference{"Implicit", [](Subject& s) { s.plan.tls = RoutePlan::Tls::kImplicit; }},
        Difference{"NoTls", [](Subject& s) { s.demand.level = TlsDemand::Level::kNone; }},
        Difference{"Encrypted", [](Subject& s) { s.demand.level = TlsDemand::Level::kEncrypted; }},
        Difference{"Verified", [](Subject& s) { s.demand.level = TlsDemand::Level::kVerified; }},
        Difference{"RequireTls", [](Subject& s) { s.demand.needs_require_tls = true; }},
        Difference{"Tested", [](Subject& s) { s.demand.test = TlsDemand::Test::kVerified; }}),
    [](const auto& info) { return info.param.name; });

// What a policy demands is no more than what a route demands, when it is the same.
TEST(ConnectionKeyTest, SourceOfADemandDoesNotMatter) {
  Subject by_policy = MakeSubject("one.example");
  by_policy.demand = {.level = TlsDemand::Level::kVerified, .source = TlsDemand::Source::kMtaSts};
  Subject by_route = MakeSubject("two.example");
  by_route.demand.level = TlsDemand::Level::kVerified;
  EXPECT_EQ(by_policy.key(), by_route.key());
}

Subject MakeDaneSubject(const std::string& domain, uint8_t usage, const std::string& data) {
  Subject subject = MakeSubject(domain);
  subject.demand = {.level = TlsDemand::Level::kDane, .source = TlsDemand::Source::kDane};
  subject.demand.tlsa = {{.usage = usage, .selector = 1, .matching_type = 1, .data = data}};
  return subject;
}

TEST(ConnectionKeyTest, DaneRecordsMustBeTheSame) {
  EXPECT_EQ(MakeDaneSubject("one.example", 3, "a").key(),
            MakeDaneSubject("two.example", 3, "a").key());
  EXPECT_NE(MakeDaneSubject("one.example", 3, "a").key(),
            MakeDaneSubject("two.example", 3, "b").key());
}

TEST(ConnectionKeyTest, DaneTrustAnchorIsForOneDomain) {
  EXPECT_NE(MakeDaneSubject("one.example", 2, "a").key(),
            MakeDaneSubject("two.example", 2, "a").key());
  EXPECT_EQ(MakeDaneSubject("one.example", 2, "a").key(),
            MakeDaneSubject("one.example", 2, "a").key());
}

}  // namespace
}  // namespace turnpike::delivery
