// Opens SMTP sessions: DNS, the hosts in order, STARTTLS, EHLO.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_

#include <asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"
#include "services/outbound-delivery/core/host_health.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/core/work.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/resolve/resolver.h"

namespace turnpike::delivery {

// An open session with one host.
struct Connection {
  Hop hop;
  std::string host;  // `mx1.example.org [192.0.2.1]:25`
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::SmtpClient> client;
};

// Thread-safe.
class Connector {
 public:
  struct Options {
    std::string host_name;  // ours, for EHLO
    absl::Duration connect_timeout = absl::Seconds(30);
    net::SmtpTimeouts timeouts;
    bool opportunistic_tls = true;
    absl::Duration sick_time = absl::Seconds(60);
    // No further host is tried after so long, or so many.
    absl::Duration open_time_max = absl::Minutes(10);
    size_t hops_max = 20;
  };

  // What it is built on outlives it. INTERNAL when TLS cannot be set up.
  static absl::StatusOr<std::unique_ptr<Connector>> Create(Options options, Resolver& resolver,
                                                           Metrics& metrics,
                                                           const base::Clock& clock);

  // Told of each stream before it is waited for, and of null after; so that it can be closed.
  using OnStream = std::function<void(net::Stream*)>;

  // Tries the hosts in order, those that failed lately last. A host that cannot be connected to,
  // hangs up, or answers 4xx leads to the next; one that answers 5xx ends the search (DL-32): a
  // permanent failure, unless the target is not the recipients' domain. A failed handshake of
  // opportunistic TLS is followed by a connection in clear to the same host.
  asio::awaitable<std::variant<Connection, Failure>> Open(RoutePlan plan, OnStream on_stream);

  // The host lost a connection before it answered anything about mail, or did.
  void ReportFailure(const Hop& hop);
  void ReportSuccess(const Hop& hop);

 private:
  // A session, why there is none, and whether the search is over.
  struct Try {
    std::unique_ptr<net::Stream> stream;
    std::unique_ptr<net::SmtpClient> client;  // null: failed
    Failure failure;
    bool is_final = false;
    bool may_retry_in_clear = false;
  };

  Connector(Options options, std::shared_ptr<const net::TlsContext> tls_context, Resolver& resolver,
            Metrics& metrics, const base::Clock& clock);

  asio::awaitable<Resolution> Resolve(RoutePlan plan);
  asio::awaitable<Try> TryHop(Hop hop, bool is_indirect, net::SmtpTls tls, OnStream on_stream);
  void SortByHealth(std::vector<Hop>& hops);

  const Options options_;
  const std::shared_ptr<const net::TlsContext> tls_context_;  // null: no TLS
  Resolver& resolver_;
  Metrics& metrics_;
  const base::Clock& clock_;
  absl::Mutex mu_;
  HostHealth health_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTOR_H_
