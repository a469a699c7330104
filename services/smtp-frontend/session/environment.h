// What the sessions of one I/O thread have in common.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ENVIRONMENT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ENVIRONMENT_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/client/policy.h"
#include "services/common/net/tls_context.h"
#include "services/common/smtp/server_options.h"
#include "services/gateway-dequeue/client/dequeue.h"
#include "services/smtp-frontend/session/buffer_pool.h"
#include "services/smtp-frontend/session/metrics.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::routing {
class DomainClasses;
}

namespace turnpike::frontend {

class Offers;
class RateLimit;

struct Timeouts {
  absl::Duration idle;    // silence from the client, or its not reading
  absl::Duration data;    // for the content of one message
  absl::Duration store;   // wait for the spool
  absl::Duration policy;  // wait for auth-service or gateway-dequeue
};

// One configured listener, as its sessions see it: all that the configuration says to them.
// Immutable; another configuration has others, for the sessions that begin from then on.
struct ListenerProfile {
  std::string name;
  auth::v1::ListenerRole role = auth::v1::LISTENER_ROLE_UNSPECIFIED;
  bool implicit_tls = false;
  std::shared_ptr<const net::TlsContext> tls;  // null: no TLS
  smtp::ServerOptions options;                 // without AUTH mechanisms: the policy offers those
  Timeouts timeouts;
  // Not null once in use, nor is the next.
  std::shared_ptr<const routing::DomainClasses> domain_classes;
  std::shared_ptr<ListenerMetrics> metrics;
};

// Strand-confined to its I/O thread. Outlives its sessions.
struct SessionEnvironment {
  // Messages that arrive during an ATRN session and are still sent in it.
  int64_t atrn_arrivals_max = 10'000;
  // The clients of the other services. Null only while the process is being taken down, when no
  // session runs any more but some are still to be destroyed.
  auth::Policy* policy = nullptr;
  dequeue::Dequeue* dequeue = nullptr;
  spool::Spool* spool = nullptr;
  Metrics* metrics = nullptr;
  RateLimit* recipient_limit = nullptr;  // of clients that have not logged in (PL-6)
  BufferPool* buffers = nullptr;
  Offers* offers = nullptr;
  // When the policy's absence was logged last: each session would tell the same.
  absl::Time* policy_warning_time = nullptr;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ENVIRONMENT_H_
