#include "services/auth-service/screen/screen_table.h"

#include <utility>

#include "services/auth-service/screen/screen_rules.h"

namespace turnpike::auth {
namespace {

v1::BlockedNetwork ToProto(const net::IpNetwork& network, const BlockRecord& block) {
  v1::BlockedNetwork blocked;
  blocked.set_network(network.ToString());
  if (block.end_time() != 0) blocked.mutable_expire_time()->set_seconds(block.end_time());
  return blocked;
}

// The piece with room for one more.
v1::ScreenUpdate& Last(std::vector<v1::ScreenUpdate>& updates) {
  if (updates.empty() || updates.back().blocked_size() + updates.back().removed_size() >=
                             ScreenTable::kNetworksPerUpdateMax) {
    updates.emplace_back();
  }
  return updates.back();
}

}  // namespace

std::optional<v1::BlockedNetwork> ScreenTable::Find(const net::IpAddress& address,
                                                    absl::Time now) const {
  const std::map<size_t, size_t>& prefixes = address.is_v4() ? v4_prefixes_ : v6_prefixes_;
  for (auto prefix = prefixes.rbegin(); prefix != prefixes.rend(); ++prefix) {
    const auto found = blocks_.find(net::IpNetwork::Around(address, prefix->first));
    if (found != blocks_.end() && IsInForce(found->second, now)) {
      return ToProto(found->first, found->second);
    }
  }
  return std::nullopt;
}

void ScreenTable::Put(const net::IpNetwork& network, const BlockRecord& block) {
  const auto [place, is_new] = blocks_.insert_or_assign(network, block);
  if (is_new) ++(network.address().is_v4() ? v4_prefixes_ : v6_prefixes_)[network.prefix_bits()];
}

void ScreenTable::Erase(const net::IpNetwork& network) {
  if (blocks_.erase(network) == 0) return;
  std::map<size_t, size_t>& prefixes = network.address().is_v4() ? v4_prefixes_ : v6_prefixes_;
  const auto prefix = prefixes.find(network.prefix_bits());
  if (--prefix->second == 0) prefixes.erase(prefix);
}

std::vector<v1::ScreenUpdate> ScreenTable::Set(const net::IpNetwork& network,
                                               const BlockRecord& block, absl::Time now) {
  if (!IsInForce(block, now)) return Remove(network);
  const auto known = blocks_.find(network);
  const bool is_told = known != blocks_.end() && known->second.end_time() == block.end_time();
  Put(network, block);
  std::vector<v1::ScreenUpdate> updates;
  if (!is_told) *Last(updates).add_blocked() = ToProto(network, block);
  return updates;
}

std::vector<v1::ScreenUpdate> ScreenTable::Remove(const net::IpNetwork& network) {
  std::vector<v1::ScreenUpdate> updates;
  if (blocks_.contains(network)) *Last(updates).add_removed() = network.ToString();
  Erase(network);
  return updates;
}

std::vector<v1::ScreenUpdate> ScreenTable::Replace(Blocks blocks, absl::Time now) {
  DropEnded(now);
  std::vector<v1::ScreenUpdate> updates;
  std::vector<net::IpNetwork> gone;
  for (const auto& [network, block] : blocks_) {
    if (!blocks.contains(network)) gone.push_back(network);
  }
  for (const net::IpNetwork& network : gone) {
    *Last(updates).add_removed() = network.ToString();
    Erase(network);
  }
  for (const auto& [network, block] : blocks) {
    for (v1::ScreenUpdate& update : Set(network, block, now)) Last(updates).MergeFrom(update);
  }
  return updates;
}

std::vector<v1::ScreenUpdate> ScreenTable::Whole(absl::Time now) const {
  std::vector<v1::ScreenUpdate> updates(1);
  updates[0].set_complete(true);
  for (const auto& [network, block] : blocks_) {
    if (IsInForce(block, now)) *Last(updates).add_blocked() = ToProto(network, block);
  }
  return updates;
}

void ScreenTable::DropEnded(absl::Time now) {
  std::vector<net::IpNetwork> ended;
  for (const auto& [network, block] : blocks_) {
    if (!IsInForce(block, now)) ended.push_back(network);
  }
  for (const net::IpNetwork& network : ended) Erase(network);
}

}  // namespace turnpike::auth
