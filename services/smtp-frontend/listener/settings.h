// What a configuration makes of the server: its listeners, collections and limits, in one piece.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SETTINGS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SETTINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/ip.h"
#include "services/smtp-frontend/collect/collection.h"
#include "services/smtp-frontend/listener/connection_limits.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/metrics.h"
#include "services/smtp-frontend/session/rate_limit.h"

namespace turnpike::frontend {

// Immutable. Another configuration has others; sessions keep those that they began with.
struct Settings {
  struct Listener {
    // Of the socket on which it is served: its address, with the name where the port is any. So a
    // listener may change everything else while its socket stays open.
    std::string socket;
    std::string listen;
    std::shared_ptr<const ListenerProfile> profile;
    std::vector<net::IpNetwork> balancers;  // whose word on the client's address counts

    bool IsBalancer(const net::IpAddress& address) const;
  };

  std::vector<Listener> listeners;  // in the order of the configuration
  absl::flat_hash_map<std::string, std::shared_ptr<const Collection>> collections;  // by name
  ConnectionLimits::Options connections;
  RateLimit::Options recipients;  // of clients that have not logged in
  absl::Duration proxy_header_timeout;

  // `config` is complete and checked; it is copied from. `metrics` outlives the settings. Errors of
  // certificates (TlsContext::ForServer) and of Collection::Create.
  static absl::StatusOr<std::shared_ptr<const Settings>> Create(const config::v1::Config& config,
                                                                Metrics& metrics);

  // Null when there is none on that socket.
  const Listener* FindListener(const std::string& socket) const;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SETTINGS_H_
