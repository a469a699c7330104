#include "services/outbound-delivery/core/address_filter.h"

#include <algorithm>
#include <vector>

namespace turnpike::delivery {
namespace {

// What an IPv6 address stands for when it carries an IPv4 one: the well-known NAT64 prefix
// [RFC6052 2.1], 6to4 [RFC3056] and IPv4-compatible forms reach the same hosts.
const std::vector<net::IpNetwork>& ForbiddenNetworks() {
  static const auto* const networks = [] {
    auto* list = new std::vector<net::IpNetwork>;
    for (const char* text : {
             "0.0.0.0/8",           // this network [RFC1122 3.2.1.3]
             "127.0.0.0/8",         // loopback
             "169.254.0.0/16",      // link-local, 169.254.169.254 among them
             "192.0.0.0/24",        // protocol assignments, metadata of some clouds
             "100.100.100.200/32",  // metadata of one cloud, in shared address space
             "168.63.129.16/32",    // the same of another
             "224.0.0.0/4",         // multicast
             "240.0.0.0/4",         // reserved, and broadcast
             "::/96",               // unspecified, loopback, IPv4-compatible
             "64:ff9b::7f00:0/104",
             "64:ff9b::a9fe:0/112",
             "64:ff9b::/104",
             "2002:7f00::/24",
             "2002:a9fe::/32",
             "2002::/24",
             "fe80::/10",      // link-local
             "fec0::/10",      // site-local, deprecated
             "ff00::/8",       // multicast
             "fd00:ec2::/32",  // metadata of one cloud
         }) {
      const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
      if (network.ok()) list->push_back(*network);
    }
    return list;
  }();
  return *networks;
}

}  // namespace

bool IsAllowedForMail(const net::IpAddress& address) {
  const std::vector<net::IpNetwork>& networks = ForbiddenNetworks();
  return std::none_of(networks.begin(), networks.end(),
                      [&](const net::IpNetwork& network) { return network.Contains(address); });
}

}  // namespace turnpike::delivery
