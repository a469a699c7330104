#include "services/smtp-frontend/listener/connection_limits.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace turnpike::frontend {
namespace {

using Admission = ConnectionLimits::Admission;
using Refusal = ConnectionLimits::Refusal;

const absl::Time kNow = absl::FromUnixSeconds(1795000000);

net::IpAddress Address(const std::string& text) { return *net::IpAddress::Parse(text); }

TEST(ConnectionLimitsTest, OneClientGetsNoMoreThanItsShare) {
  ConnectionLimits limits({.connections_max = 10, .connections_per_address_max = 2});
  auto first = limits.Admit(Address("192.0.2.1"), kNow);
  auto second = limits.Admit(Address("192.0.2.1"), kNow);
  auto third = limits.Admit(Address("192.0.2.1"), kNow);
  auto other = limits.Admit(Address("192.0.2.2"), kNow);
  EXPECT_TRUE(std::holds_alternative<Admission>(second));
  ASSERT_TRUE(std::holds_alternative<Refusal>(third));
  EXPECT_EQ(std::get<Refusal>(third), Refusal::kAddress);
  EXPECT_TRUE(std::holds_alternative<Admission>(other));
  EXPECT_EQ(limits.connection_count(), 3u);
}

TEST(ConnectionLimitsTest, AllClientsTogetherGetNoMoreThanThereIs) {
  ConnectionLimits limits({.connections_max = 2, .connections_per_address_max = 2});
  auto first = limits.Admit(Address("192.0.2.1"), kNow);
  auto second = limits.Admit(Address("192.0.2.2"), kNow);
  auto third = limits.Admit(Address("192.0.2.3"), kNow);
  ASSERT_TRUE(std::holds_alternative<Refusal>(third));
  EXPECT_EQ(std::get<Refusal>(third), Refusal::kConnections);
}

TEST(ConnectionLimitsTest, ConnectionThatEndsMakesRoom) {
  ConnectionLimits limits({.connections_max = 1, .connections_per_address_max = 1});
  {
    auto first = limits.Admit(Address("192.0.2.1"), kNow);
    Admission moved = std::get<Admission>(std::move(first));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"), kNow)));
  }
  EXPECT_EQ(limits.connection_count(), 0u);
  auto again = limits.Admit(Address("192.0.2.1"), kNow);
  EXPECT_TRUE(std::holds_alternative<Admission>(again));
}

TEST(ConnectionLimitsTest, NeighbouringIpv6AddressesAreOneClient) {
  ConnectionLimits limits({.connections_max = 10, .connections_per_address_max = 1});
  auto first = limits.Admit(Address("2001:db8::1"), kNow);
  EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("2001:db8::2"), kNow)));
  auto other = limits.Admit(Address("2001:db8:0:1::1"), kNow);
  EXPECT_TRUE(std::holds_alternative<Admission>(other));
}

TEST(ConnectionLimitsTest, ClientBehindABalancerCountsOnceItIsKnown) {
  ConnectionLimits limits({.connections_max = 3, .connections_per_address_max = 1});
  auto first = std::get<Admission>(limits.AdmitUnknown());
  auto second = std::get<Admission>(limits.AdmitUnknown());
  EXPECT_EQ(limits.Identify(Address("192.0.2.1"), kNow, &first), std::nullopt);
  EXPECT_EQ(limits.Identify(Address("192.0.2.1"), kNow, &second), Refusal::kAddress);
  EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"), kNow)));
  EXPECT_EQ(limits.Identify(Address("192.0.2.2"), kNow, &second), std::nullopt);
  EXPECT_EQ(limits.connection_count(), 2u);
}

TEST(ConnectionLimitsTest, UnknownClientsCountInAll) {
  ConnectionLimits limits({.connections_max = 1, .connections_per_address_max = 1});
  {
    auto first = limits.AdmitUnknown();
    EXPECT_TRUE(std::holds_alternative<Admission>(first));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.AdmitUnknown()));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"), kNow)));
  }
  EXPECT_EQ(limits.connection_count(), 0u);
}

TEST(ConnectionLimitsTest, NewConnectionsOfAClientHaveARate) {
  ConnectionLimits limits({.connections_max = 10,
                           .connections_per_address_max = 1,
                           .rate = {.period = absl::Minutes(1), .per_client_max = 2}});
  for (int i = 0; i < 2; ++i) {
    auto admitted = limits.Admit(Address("192.0.2.1"), kNow);
    ASSERT_TRUE(std::holds_alternative<Admission>(admitted));
    // One that is refused for another reason uses nothing up.
    auto second = limits.Admit(Address("192.0.2.1"), kNow);
    EXPECT_EQ(std::get<Refusal>(second), Refusal::kAddress);
  }
  auto third = limits.Admit(Address("192.0.2.1"), kNow);
  ASSERT_TRUE(std::holds_alternative<Refusal>(third));
  EXPECT_EQ(std::get<Refusal>(third), Refusal::kRate);
  auto unknown = limits.AdmitUnknown();
  EXPECT_EQ(limits.Identify(Address("192.0.2.1"), kNow, &std::get<Admission>(unknown)),
            Refusal::kRate);
  auto later = limits.Admit(Address("192.0.2.1"), kNow + absl::Seconds(30));
  EXPECT_TRUE(std::holds_alternative<Admission>(later));
}

TEST(ConnectionLimitsTest, OtherLimitsHoldForWhatComesNext) {
  ConnectionLimits limits({.connections_max = 1, .connections_per_address_max = 1});
  auto first = limits.Admit(Address("192.0.2.1"), kNow);
  limits.SetOptions({.connections_max = 2, .connections_per_address_max = 2});
  auto second = limits.Admit(Address("192.0.2.1"), kNow);
  EXPECT_TRUE(std::holds_alternative<Admission>(second));
  limits.SetOptions({.connections_max = 1, .connections_per_address_max = 1});
  EXPECT_EQ(limits.connection_count(), 2u);  // those that are there stay
  auto third = limits.Admit(Address("192.0.2.2"), kNow);
  EXPECT_TRUE(std::holds_alternative<Refusal>(third));
}

}  // namespace
}  // namespace turnpike::frontend
