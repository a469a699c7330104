#include "services/outbound-delivery/resolve/own_hosts.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::delivery {
namespace {

using Endpoint = std::pair<net::IpAddress, uint16_t>;

std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

bool IsUnspecified(const net::IpAddress& address) {
  return address.bytes().find_first_not_of('\0') == absl::string_view::npos;
}

}  // namespace

OwnHosts OwnHostsOf(const config::v1::Config& config,
                    const std::vector<net::IpAddress>& interface_addresses) {
  absl::flat_hash_set<Endpoint> endpoints;
  for (const config::v1::Listener& listener : config.smtp().listeners()) {
    const std::string& listen = listener.listen();
    const size_t colon = listen.rfind(':');
    if (colon == std::string::npos) continue;
    absl::string_view host = absl::string_view(listen).substr(0, colon);
    if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
    uint32_t port = 0;
    const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(host);
    if (!address.ok() || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port == 0) continue;
    if (!IsUnspecified(*address)) {
      endpoints.emplace(*address, static_cast<uint16_t>(port));
      continue;
    }
    for (const net::IpAddress& own : interface_addresses) {
      endpoints.emplace(own, static_cast<uint16_t>(port));
    }
  }
  OwnHosts own;
  own.is_own_name = [name = Normal(config.hostname())](const std::string& host) {
    return host == name;
  };
  own.is_own_endpoint = [endpoints = std::move(endpoints)](const net::IpAddress& address,
                                                           uint16_t port) {
    return endpoints.contains(Endpoint(address, port));
  };
  return own;
}

std::vector<net::IpAddress> InterfaceAddresses() {
  std::vector<net::IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    absl::string_view bytes;
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      bytes = {reinterpret_cast<const char*>(&v4->sin_addr), sizeof(v4->sin_addr)};
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      bytes = {reinterpret_cast<const char*>(&v6->sin6_addr), sizeof(v6->sin6_addr)};
    } else {
      continue;
    }
    const absl::StatusOr<net::IpAddress> address = net::IpAddress::FromBytes(bytes);
    if (address.ok()) addresses.push_back(*address);
  }
  freeifaddrs(list);
  return addresses;
}

}  // namespace turnpike::delivery
