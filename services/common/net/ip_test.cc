#include "services/common/net/ip.h"

#include <gtest/gtest.h>

#include <asio/ip/address.hpp>

namespace turnpike::net {
namespace {

IpAddress Address(absl::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(IpAddress());
}

IpNetwork Network(absl::string_view text) {
  const auto network = IpNetwork::Parse(text);
  EXPECT_TRUE(network.ok()) << network.status();
  return network.value_or(IpNetwork::Around(IpAddress(), 0));
}

TEST(IpAddressTest, WritesWhatItReadsInCanonicalForm) {
  EXPECT_EQ(Address("192.0.2.1").ToString(), "192.0.2.1");
  EXPECT_EQ(Address("2001:DB8:0:0::1").ToString(), "2001:db8::1");
  EXPECT_EQ(Address("::").ToString(), "::");
}

TEST(IpAddressTest, MappedIpv4IsIpv4) {
  EXPECT_EQ(Address("::ffff:192.0.2.1"), Address("192.0.2.1"));
  EXPECT_EQ(IpAddress::From(asio::ip::make_address("::ffff:192.0.2.1")), Address("192.0.2.1"));
  EXPECT_TRUE(Address("::ffff:c000:201").is_v4());
}

TEST(IpAddressTest, RefusesWhatIsNoAddress) {
  for (const absl::string_view text :
       {absl::string_view(""), absl::string_view("192.0.2"), absl::string_view("192.0.2.256"),
        absl::string_view("192.0.2.01"), absl::string_view("[::1]"),
        absl::string_view("fe80::1%eth0"), absl::string_view("localhost"),
        absl::string_view(" 192.0.2.1"), absl::string_view("192.0.2.1/32"),
        absl::string_view("192.0.2.1\0x", 11),
        absl::string_view("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20")}) {
    EXPECT_EQ(IpAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(IpAddressTest, GoesToAsioAndToOctetsAndBack) {
  for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
    EXPECT_EQ(IpAddress::From(Address(text).ToAsio()), Address(text));
    EXPECT_EQ(*IpAddress::FromBytes(Address(text).bytes()), Address(text));
  }
  EXPECT_FALSE(IpAddress::FromBytes("12345").ok());
}

TEST(IpNetworkTest, ContainsItsAddressesOnly) {
  EXPECT_TRUE(Network("192.0.2.0/24").Contains(Address("192.0.2.255")));
  EXPECT_FALSE(Network("192.0.2.0/24").Contains(Address("192.0.3.0")));
  EXPECT_TRUE(Network("192.0.2.7/31").Contains(Address("192.0.2.6")));
  EXPECT_FALSE(Network("192.0.2.7/31").Contains(Address("192.0.2.8")));
  EXPECT_TRUE(Network("2001:db8::/33").Contains(Address("2001:db8:7fff::")));
  EXPECT_FALSE(Network("2001:db8::/33").Contains(Address("2001:db8:8000::")));
}

TEST(IpNetworkTest, AnyOfOneFamilyIsNoneOfTheOther) {
  EXPECT_TRUE(Network("0.0.0.0/0").Contains(Address("255.1.2.3")));
  EXPECT_FALSE(Network("0.0.0.0/0").Contains(Address("::1")));
  EXPECT_TRUE(Network("::/0").Contains(Address("::1")));
  EXPECT_FALSE(Network("::/0").Contains(Address("192.0.2.1")));
}

TEST(IpNetworkTest, SingleAddressIsANetworkOfOne) {
  EXPECT_TRUE(Network("192.0.2.1").Contains(Address("::ffff:192.0.2.1")));
  EXPECT_FALSE(Network("192.0.2.1").Contains(Address("192.0.2.2")));
  EXPECT_EQ(Network("192.0.2.1").ToString(), "192.0.2.1/32");
  EXPECT_EQ(Network("2001:db8::1").ToString(), "2001:db8::1/128");
}

TEST(IpNetworkTest, DropsBitsBehindThePrefix) {
  EXPECT_EQ(Network("192.0.2.99/24").ToString(), "192.0.2.0/24");
  EXPECT_EQ(Network("192.0.2.99/24"), Network("192.0.2.0/24"));
}

TEST(IpNetworkTest, MappedNetworkIsTheIpv4Network) {
  EXPECT_EQ(Network("::ffff:192.0.2.0/120"), Network("192.0.2.0/24"));
  EXPECT_FALSE(IpNetwork::Parse("::ffff:0:0/95").ok());
}

TEST(IpNetworkTest, RefusesWhatIsNoNetwork) {
  for (const char* text : {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/+8",
                           "192.0.2.0/8/8", "::/129", "/8", "192.0.2.0/0x8", "192.0.2.0/ 8"}) {
    EXPECT_EQ(IpNetwork::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(IpNetworkTest, AroundAnAddressIsItsNeighbourhood) {
  EXPECT_EQ(IpNetwork::Around(Address("192.0.2.77"), 24), Network("192.0.2.0/24"));
  EXPECT_EQ(IpNetwork::Around(Address("192.0.2.77"), 64), Network("192.0.2.77"));
  EXPECT_EQ(IpNetwork::Around(Address("2001:db8::77"), 64), Network("2001:db8::/64"));
}

}  // namespace
}  // namespace turnpike::net
