// Finds SMTP sessions: DNS, the hosts in order, what is idle at one of them; else opens one:
// STARTTLS, EHLO, AUTH.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_

#include <asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"
#include "services/outbound-delivery/core/host_health.h"
#include "services/outbound-delivery/core/logins.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/core/work.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/security/tls_advisor.h"
#include "services/outbound-delivery/security/tls_clients.h"
#include "services/outbound-delivery/transport/connection.h"
#include "services/outbound-delivery/transport/idle_connections.h"
#include "services/outbound-delivery/transport/pop_checks.h"

namespace turnpike::delivery {

// Thread-safe.
class Connector {
 public:
  struct Options {
    std::string host_name;  // ours, for EHLO
    uint64_t revision = 0;  // of the configuration that this, its logins and its plans are of
    absl::Duration connect_timeout = absl::Seconds(30);
    net::SmtpTimeouts timeouts;
    absl::Duration sick_time = absl::Seconds(60);
    // No further host is tried after so long, or so many.
    absl::Duration open_time_max = absl::Minutes(10);
    size_t hops_max = 20;
  };

  // What a connector is built on; outlives it.
  struct Environment {
    Resolver* resolver;
    const Logins* logins;
    PopChecks* pop_checks;
    TlsAdvisor* tls_advisor;
    const TlsClients* tls_clients;
    Metrics* metrics;
    const base::Clock* clock;
  };

  Connector(Options options, const Environment& environment);

  // Told of each stream before it is waited for, and of null after; so that it can be closed.
  using OnStream = std::function<void(net::Stream*)>;

  // After the POP3 login, where the plan has one, tries the hosts in order, those that failed
  // lately last. A host that cannot be connected to, hangs up, answers 4xx or refuses our login
  // leads to the next; one that answers 5xx ends the search, or only says no for itself (DL-32). A
  // mailbox server or a gateway's host that answers 5xx before it has seen mail has not judged it.
  // A failed handshake of opportunistic TLS is followed by a connection in clear to the same host;
  // a host that is not as the configuration, DANE, MTA-STS or the sender demand is none (DL-41). A
  // plan of another revision is not tried: its login's name may mean another one here.
  // A connection that is idle at one of the best hosts, and as good as a new one, is used instead
  // (DL-40): it has a context, where it belongs; its peer may have closed it.
  asio::awaitable<std::variant<Connection, Failure>> Open(RoutePlanPtr plan, OnStream on_stream);

  // Where connections are offered while they have nothing to send.
  IdleConnections& idle() { return idle_; }

  // The host lost a connection before it answered anything about mail, or did.
  void ReportFailure(const Hop& hop);
  void ReportSuccess(const Hop& hop);

 private:
  // A session, or why there is none.
  struct Try {
    Connection connection;  // without a client: failed
    Failure failure;
    bool is_tls_failure = false;
  };

  asio::awaitable<Resolution> Resolve(RoutePlanPtr plan);
  asio::awaitable<absl::Status> CheckPop(std::string name);
  asio::awaitable<TlsAdvisor::Advice> Advise(RoutePlanPtr plan, Hop hop);
  asio::awaitable<std::optional<Connection>> FindIdle(RoutePlanPtr plan, std::vector<Hop> hops);
  asio::awaitable<Try> TryHost(RoutePlanPtr plan, Hop hop, OnStream on_stream);
  asio::awaitable<Try> TryHop(RoutePlanPtr plan, Hop hop, TlsDemand demand, OnStream on_stream);
  void SortByHealth(std::vector<Hop>& hops);

  const Options options_;
  const Environment environment_;
  IdleConnections idle_;
  absl::Mutex mu_;
  HostHealth health_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_
