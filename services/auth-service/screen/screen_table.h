// Who is blocked, in memory: found by address, and compared with what was known before.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_TABLE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_TABLE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/screen/records.pb.h"
#include "services/common/net/ip.h"

namespace turnpike::auth {

// Entries that have ended are in nobody's way: they are not found, not told, and dropped in time.
//
// Thread-compatible.
class ScreenTable {
 public:
  // One message stays far below what a stream takes.
  static constexpr int kNetworksPerUpdateMax = 2'000;
  using Blocks = absl::flat_hash_map<net::IpNetwork, BlockRecord>;

  // The entry in force with the longest prefix.
  std::optional<v1::BlockedNetwork> Find(const net::IpAddress& address, absl::Time now) const;

  // Each returns what others must be told, in pieces; nothing if nothing has changed.
  std::vector<v1::ScreenUpdate> Set(const net::IpNetwork& network, const BlockRecord& block,
                                    absl::Time now);
  std::vector<v1::ScreenUpdate> Remove(const net::IpNetwork& network);
  // These, and no others.
  std::vector<v1::ScreenUpdate> Replace(Blocks blocks, absl::Time now);

  // All of it; the first piece says `complete`. Never empty.
  std::vector<v1::ScreenUpdate> Whole(absl::Time now) const;

  void DropEnded(absl::Time now);
  size_t size() const { return blocks_.size(); }

 private:
  void Put(const net::IpNetwork& network, const BlockRecord& block);
  void Erase(const net::IpNetwork& network);

  Blocks blocks_;
  std::map<size_t, size_t> v4_prefixes_;  // prefix length to entries that have it
  std::map<size_t, size_t> v6_prefixes_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_TABLE_H_
