// What operators have changed about gateways while running: access entries (DQ-42) and suspensions
// (DQ-61). Each is an entry of the shared state, so that it holds for all replicas and over
// restarts; this says how they are written, and what they mean.
//
//   gateway/<domain>/suspended                 a v1::Gateway with its suspend_* fields
//   gateway/<domain>/access/honor/<network>    a v1::AccessEntry
//   gateway/<domain>/access/ignore/<network>   the same
//
// No entry has a time limit. outbound-delivery reads `suspended` too: what has been released waits.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_OVERRIDES_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_OVERRIDES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/net/ip.h"
#include "services/gateway-dequeue/core/gateways.h"

namespace turnpike::dequeue {

// Keys of all gateways' entries begin with this.
inline constexpr absl::string_view kOverridesPrefix = "gateway/";
// Access entries of one gateway that may be added while running.
inline constexpr int kAccessEntriesMax = 500;

std::string OverridesPrefix(absl::string_view gateway);
std::string SuspendedKey(absl::string_view gateway);
// `network` in normal form, with its prefix length. `list` is HONOR or IGNORE.
std::string AccessKey(absl::string_view gateway, v1::AccessList list, absl::string_view network);

struct GatewayOverrides {
  struct Network {
    net::IpNetwork network;
    v1::AccessEntry entry;
  };
  std::vector<Network> access;
  std::optional<v1::Gateway> suspension;  // its suspend_time and suspend_reason

  bool is_suspended() const { return suspension.has_value(); }
};

// Immutable once filled; then thread-safe.
class Overrides {
 public:
  // Takes one entry of the shared state. What cannot be understood is left out: an entry of a newer
  // version, or of another use of the prefix.
  void Add(absl::string_view key, absl::string_view value);

  // Nothing changed, for a gateway without entries.
  const GatewayOverrides& For(absl::string_view gateway) const;
  const absl::flat_hash_map<std::string, GatewayOverrides>& all() const { return gateways_; }

 private:
  absl::flat_hash_map<std::string, GatewayOverrides> gateways_;
};

// Whether requests from this address count at all (DQ-40, DQ-41), by the configuration's lists and
// the added entries together: ignore wins over honor, and no honor entry at all means everybody.
// With any entry, an address that cannot be read is not honored.
bool Honors(const Gateway& gateway, const GatewayOverrides& changed,
            absl::string_view client_address);

// The entries of the configuration and those added, in this order; for people.
std::vector<v1::AccessEntry> AccessEntries(const Gateway& gateway, const GatewayOverrides& changed);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_OVERRIDES_H_
