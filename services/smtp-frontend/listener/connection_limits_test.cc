#include "services/smtp-frontend/listener/connection_limits.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace turnpike::frontend {
namespace {

using Admission = ConnectionLimits::Admission;
using Refusal = ConnectionLimits::Refusal;

net::IpAddress Address(const std::string& text) { return *net::IpAddress::Parse(text); }

TEST(ConnectionLimitsTest, OneClientGetsNoMoreThanItsShare) {
  ConnectionLimits limits({.connections_max = 10, .connections_per_address_max = 2});
  auto first = limits.Admit(Address("192.0.2.1"));
  auto second = limits.Admit(Address("192.0.2.1"));
  auto third = limits.Admit(Address("192.0.2.1"));
  auto other = limits.Admit(Address("192.0.2.2"));
  EXPECT_TRUE(std::holds_alternative<Admission>(second));
  ASSERT_TRUE(std::holds_alternative<Refusal>(third));
  EXPECT_EQ(std::get<Refusal>(third), Refusal::kAddress);
  EXPECT_TRUE(std::holds_alternative<Admission>(other));
  EXPECT_EQ(limits.connection_count(), 3u);
}

TEST(ConnectionLimitsTest, AllClientsTogetherGetNoMoreThanThereIs) {
  ConnectionLimits limits({.connections_max = 2, .connections_per_address_max = 2});
  auto first = limits.Admit(Address("192.0.2.1"));
  auto second = limits.Admit(Address("192.0.2.2"));
  auto third = limits.Admit(Address("192.0.2.3"));
  ASSERT_TRUE(std::holds_alternative<Refusal>(third));
  EXPECT_EQ(std::get<Refusal>(third), Refusal::kConnections);
}

TEST(ConnectionLimitsTest, ConnectionThatEndsMakesRoom) {
  ConnectionLimits limits({.connections_max = 1, .connections_per_address_max = 1});
  {
    auto first = limits.Admit(Address("192.0.2.1"));
    Admission moved = std::get<Admission>(std::move(first));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"))));
  }
  EXPECT_EQ(limits.connection_count(), 0u);
  auto again = limits.Admit(Address("192.0.2.1"));
  EXPECT_TRUE(std::holds_alternative<Admission>(again));
}

TEST(ConnectionLimitsTest, NeighbouringIpv6AddressesAreOneClient) {
  ConnectionLimits limits({.connections_max = 10, .connections_per_address_max = 1});
  auto first = limits.Admit(Address("2001:db8::1"));
  EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("2001:db8::2"))));
  auto other = limits.Admit(Address("2001:db8:0:1::1"));
  EXPECT_TRUE(std::holds_alternative<Admission>(other));
}

TEST(ConnectionLimitsTest, ClientBehindABalancerCountsOnceItIsKnown) {
  ConnectionLimits limits({.connections_max = 3, .connections_per_address_max = 1});
  auto first = std::get<Admission>(limits.AdmitUnknown());
  auto second = std::get<Admission>(limits.AdmitUnknown());
  EXPECT_EQ(limits.Identify(Address("192.0.2.1"), &first), std::nullopt);
  EXPECT_EQ(limits.Identify(Address("192.0.2.1"), &second), Refusal::kAddress);
  EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"))));
  EXPECT_EQ(limits.Identify(Address("192.0.2.2"), &second), std::nullopt);
  EXPECT_EQ(limits.connection_count(), 2u);
}

TEST(ConnectionLimitsTest, UnknownClientsCountInAll) {
  ConnectionLimits limits({.connections_max = 1, .connections_per_address_max = 1});
  {
    auto first = limits.AdmitUnknown();
    EXPECT_TRUE(std::holds_alternative<Admission>(first));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.AdmitUnknown()));
    EXPECT_TRUE(std::holds_alternative<Refusal>(limits.Admit(Address("192.0.2.1"))));
  }
  EXPECT_EQ(limits.connection_count(), 0u);
}

}  // namespace
}  // namespace turnpike::frontend
