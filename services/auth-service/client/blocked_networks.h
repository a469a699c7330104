// The dynamic screen as a frontend knows it: who is refused at connect. (AU-22)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_BLOCKED_NETWORKS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_BLOCKED_NETWORKS_H_

#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/common/net/ip.h"

namespace turnpike::auth {

// Thread-safe. Cost of Find: one look for each length of prefix that occurs.
class BlockedNetworks {
 public:
  // Changes come in the order in which they were sent. Networks that cannot be read are skipped.
  void Apply(const v1::ScreenUpdate& update);

  // The narrowest network that holds the client and is blocked at `now`.
  std::optional<v1::BlockedNetwork> Find(absl::string_view client_address, absl::Time now) const;

 private:
  void Remove(const net::IpNetwork& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  using Prefix = std::pair<bool, size_t>;  // IPv4?, bits

  mutable absl::Mutex mu_;
  absl::flat_hash_map<net::IpNetwork, v1::BlockedNetwork> blocked_ ABSL_GUARDED_BY(mu_);
  std::map<Prefix, int> prefixes_ ABSL_GUARDED_BY(mu_);  // how many networks have each
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_BLOCKED_NETWORKS_H_
