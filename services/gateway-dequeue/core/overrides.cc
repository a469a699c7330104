#include "services/gateway-dequeue/core/overrides.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::string_view kSuspended = "suspended";
constexpr absl::string_view kAccess = "access/";

bool Contains(const std::vector<net::IpNetwork>& networks, const net::IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&address](const net::IpNetwork& network) {
    return network.Contains(address);
  });
}

}  // namespace

// The slash at the end keeps `example.org` and `example.org.uk` apart.
std::string OverridesPrefix(absl::string_view gateway) {
  return absl::StrCat(kOverridesPrefix, gateway, "/");
}

std::string SuspendedKey(absl::string_view gateway) {
  return absl::StrCat(OverridesPrefix(gateway), kSuspended);
}

std::string AccessKey(absl::string_view gateway, v1::AccessList list, absl::string_view network) {
  return absl::StrCat(OverridesPrefix(gateway), kAccess,
                      list == v1::ACCESS_LIST_IGNORE ? "ignore/" : "honor/", network);
}

void Overrides::Add(absl::string_view key, absl::string_view value) {
  if (!absl::ConsumePrefix(&key, kOverridesPrefix)) return;
  const size_t slash = key.find('/');
  if (slash == absl::string_view::npos) return;
  const absl::string_view domain = key.substr(0, slash);
  const absl::string_view what = key.substr(slash + 1);
  if (what == kSuspended) {
    // A value that is not understood suspends as well.
    v1::Gateway suspension;
    if (!suspension.ParseFromString(std::string(value))) suspension.Clear();
    gateways_[domain].suspension = std::move(suspension);
  } else if (absl::StartsWith(what, kAccess)) {
    v1::AccessEntry entry;
    if (!entry.ParseFromString(std::string(value))) return;
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(entry.network());
    if (!network.ok()) return;
    if (entry.list() != v1::ACCESS_LIST_HONOR && entry.list() != v1::ACCESS_LIST_IGNORE) return;
    gateways_[domain].access.push_back({*network, std::move(entry)});
  }
}

const GatewayOverrides& Overrides::For(absl::string_view gateway) const {
  static const auto* const kNone = new GatewayOverrides();
  const auto found = gateways_.find(gateway);
  return found == gateways_.end() ? *kNone : found->second;
}

bool Honors(const Gateway& gateway, const GatewayOverrides& changed,
            absl::string_view client_address) {
  if (gateway.honor_from.empty() && gateway.ignore_from.empty() && changed.access.empty()) {
    return true;
  }
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(client_address);
  if (!address.ok() || Contains(gateway.ignore_from, *address)) return false;
  bool is_everybody = gateway.honor_from.empty();
  bool is_honored = Contains(gateway.honor_from, *address);
  for (const GatewayOverrides::Network& added : changed.access) {
    const bool is_in = added.network.Contains(*address);
    if (added.entry.list() == v1::ACCESS_LIST_IGNORE) {
      if (is_in) return false;
    } else {
      is_everybody = false;
      is_honored = is_honored || is_in;
    }
  }
  return is_everybody || is_honored;
}

std::vector<v1::AccessEntry> AccessEntries(const Gateway& gateway,
                                           const GatewayOverrides& changed) {
  std::vector<v1::AccessEntry> entries;
  const auto add = [&entries](const std::vector<net::IpNetwork>& networks, v1::AccessList list) {
    for (const net::IpNetwork& network : networks) {
      v1::AccessEntry& entry = entries.emplace_back();
      entry.set_list(list);
      entry.set_network(network.ToString());
      entry.set_configured(true);
    }
  };
  add(gateway.honor_from, v1::ACCESS_LIST_HONOR);
  add(gateway.ignore_from, v1::ACCESS_LIST_IGNORE);
  for (const GatewayOverrides::Network& added : changed.access) entries.push_back(added.entry);
  return entries;
}

}  // namespace turnpike::dequeue
