#include "services/outbound-delivery/core/address_filter.h"

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

bool IsAllowed(const char* address) { return IsAllowedForMail(*net::IpAddress::Parse(address)); }

TEST(AddressFilterTest, OrdinaryAndPrivateAddressesAreAllowed) {
  for (const char* address : {"192.0.2.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
                              "2001:db8::1", "fd12::1", "64:ff9b::c000:201", "2002:c000:201::1"}) {
    EXPECT_TRUE(IsAllowed(address)) << address;
  }
}

TEST(AddressFilterTest, AddressesThatMailFromOutsideMustNotReachAreRefused) {
  for (const char* address : {"127.0.0.1",
                              "127.255.255.254",
                              "0.0.0.0",
                              "169.254.169.254",
                              "224.0.0.1",
                              "255.255.255.255",
                              "240.0.0.1",
                              "100.100.100.200",
                              "168.63.129.16",
                              "192.0.0.192",
                              "::1",
                              "::",
                              "fe80::1",
                              "ff02::1",
                              "fec0::1",
                              "fd00:ec2::254",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b::a9fe:a9fe",
                              "2002:7f00:1::1",
                              "2002:a9fe:a9fe::1"}) {
    EXPECT_FALSE(IsAllowed(address)) << address;
  }
}

}  // namespace
}  // namespace turnpike::delivery
