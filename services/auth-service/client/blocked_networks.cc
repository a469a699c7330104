#include "services/auth-service/client/blocked_networks.h"

#include "absl/status/statusor.h"

namespace turnpike::auth {
namespace {

bool IsOver(const v1::BlockedNetwork& blocked, absl::Time now) {
  return blocked.has_expire_time() && absl::FromUnixSeconds(blocked.expire_time().seconds()) +
                                              absl::Nanoseconds(blocked.expire_time().nanos()) <=
                                          now;
}

}  // namespace

void BlockedNetworks::Remove(const net::IpNetwork& network) {
  if (blocked_.erase(network) == 0) return;
  const auto prefix = prefixes_.find({network.address().is_v4(), network.prefix_bits()});
  if (--prefix->second == 0) prefixes_.erase(prefix);
}

void BlockedNetworks::Apply(const v1::ScreenUpdate& update) {
  absl::MutexLock lock(&mu_);
  if (update.complete()) {
    blocked_.clear();
    prefixes_.clear();
  }
  for (const std::string& text : update.removed()) {
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
    if (network.ok()) Remove(*network);
  }
  for (const v1::BlockedNetwork& blocked : update.blocked()) {
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(blocked.network());
    if (!network.ok()) continue;
    const bool is_new = blocked_.insert_or_assign(*network, blocked).second;
    if (is_new) ++prefixes_[{network->address().is_v4(), network->prefix_bits()}];
  }
}

std::optional<v1::BlockedNetwork> BlockedNetworks::Find(absl::string_view client_address,
                                                        absl::Time now) const {
  absl::MutexLock lock(&mu_);
  if (blocked_.empty()) return std::nullopt;
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(client_address);
  if (!address.ok()) return std::nullopt;
  for (auto prefix = prefixes_.rbegin(); prefix != prefixes_.rend(); ++prefix) {
    const auto& [is_v4, bits] = prefix->first;
    if (is_v4 != address->is_v4()) continue;
    const auto found = blocked_.find(net::IpNetwork::Around(*address, bits));
    if (found != blocked_.end() && !IsOver(found->second, now)) return found->second;
  }
  return std::nullopt;
}

}  // namespace turnpike::auth
