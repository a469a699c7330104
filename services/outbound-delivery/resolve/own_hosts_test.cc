#include "services/outbound-delivery/resolve/own_hosts.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

net::IpAddress Ip(const char* text) { return *net::IpAddress::Parse(text); }

OwnHosts MakeOwnHosts(const std::vector<std::string>& listen) {
  config::v1::Config config;
  config.set_hostname("MX.Example.org");
  for (const std::string& text : listen) config.mutable_smtp()->add_listeners()->set_listen(text);
  return OwnHostsOf(config, {Ip("192.0.2.1"), Ip("2001:db8::1")});
}

TEST(OwnHostsTest, OurHostNameIsOurs) {
  const OwnHosts own = MakeOwnHosts({});
  EXPECT_TRUE(own.is_own_name("mx.example.org"));
  EXPECT_FALSE(own.is_own_name("mx2.example.org"));
}

TEST(OwnHostsTest, ListenersAreOursWithTheirPorts) {
  const OwnHosts own = MakeOwnHosts({"192.0.2.9:25", "[2001:db8::9]:25"});
  EXPECT_TRUE(own.is_own_endpoint(Ip("192.0.2.9"), 25));
  EXPECT_TRUE(own.is_own_endpoint(Ip("2001:db8::9"), 25));
  EXPECT_FALSE(own.is_own_endpoint(Ip("192.0.2.9"), 26));
  EXPECT_FALSE(own.is_own_endpoint(Ip("192.0.2.1"), 25));
}

TEST(OwnHostsTest, UnspecifiedListenerMeansAllInterfaces) {
  for (const char* listen : {"0.0.0.0:25", "[::]:25"}) {
    const OwnHosts own = MakeOwnHosts({listen});
    EXPECT_TRUE(own.is_own_endpoint(Ip("192.0.2.1"), 25));
    EXPECT_TRUE(own.is_own_endpoint(Ip("2001:db8::1"), 25));
    EXPECT_FALSE(own.is_own_endpoint(Ip("192.0.2.9"), 25));
  }
}

TEST(OwnHostsTest, PortZeroIsNobodys) {
  EXPECT_FALSE(MakeOwnHosts({"192.0.2.9:0"}).is_own_endpoint(Ip("192.0.2.9"), 0));
}

TEST(OwnHostsTest, LoopbackIsAmongTheInterfaces) {
  const std::vector<net::IpAddress> addresses = InterfaceAddresses();
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), Ip("127.0.0.1")), addresses.end());
}

}  // namespace
}  // namespace turnpike::delivery
