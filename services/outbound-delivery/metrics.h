// The series of outbound-delivery. Labels come from closed sets: no domain, address or host.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_METRICS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_METRICS_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "services/common/dsn/report.h"
#include "services/common/net/stream.h"
#include "services/common/smtp/outgoing_message.h"
#include "services/outbound-delivery/core/failure_reason.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace prometheus {
class Registry;
}

namespace turnpike::delivery {

// Thread-safe.
struct Metrics {
  explicit Metrics(prometheus::Registry& registry);

  enum class Result { kDelivered, kDeferred, kBounced, kAborted };

  // By RoutePlan::Kind.
  struct Route {
    std::array<prometheus::Counter*, 4> attempts;  // by Result
    std::array<prometheus::Counter*, kFailureReasons> failures;
    prometheus::Histogram* attempt_duration;
    prometheus::Histogram* age;  // of delivered mail, since it was received
    prometheus::Gauge* connections;
    prometheus::Counter* connections_opened;
    prometheus::Counter* connections_reused;
    prometheus::Counter* connections_shared;
    prometheus::Counter* connections_failed;
  };
  const Route& route(RoutePlan::Kind kind) const { return routes[static_cast<size_t>(kind)]; }

  // What a peer said, by where in the dialogue.
  void CountReply(smtp::Stage stage, int code);
  void CountBannerReply(int code);
  // `policy`: TlsPolicyName
  void CountTlsSession(absl::string_view policy, const net::TlsFacts& facts);
  void CountDns(RecordType type, DnsAnswer::Result result);

  std::array<Route, kRouteKinds> routes;
  std::array<std::array<prometheus::Counter*, 9>, 5> replies;  // stage, code
  prometheus::Histogram* stage_spool;
  prometheus::Histogram* stage_connection;
  prometheus::Histogram* stage_transmission;
  std::array<std::array<prometheus::Counter*, 3>, 7> tls_sessions;  // policy; none, 1.2, 1.3
  std::array<prometheus::Counter*, 5> sts_policies;                 // by StsPolicies::Outcome
  prometheus::Counter* sts_test_failures;
  std::array<std::array<prometheus::Counter*, 5>, kRecordTypes> dns_queries;  // type, result
  prometheus::Histogram* dns_duration;
  std::array<prometheus::Counter*, 4> notifications_queued;  // by dsn::Kind
  std::array<prometheus::Counter*, 4> notifications_suppressed;
  prometheus::Counter* logins_failed;
  std::array<prometheus::Counter*, 2> pop_checks;  // ok, failed
  prometheus::Counter* fallbacks;
  prometheus::Counter* further_hosts;
  prometheus::Counter* throttled;
  prometheus::Counter* handed_back;
  prometheus::Gauge* queues_paused;
  prometheus::Gauge* destinations_stalled;
  prometheus::Gauge* leases_held;
  prometheus::Gauge* destinations_waiting;
  prometheus::Counter* settlements_lost;
  prometheus::Counter* lease_streams_closed;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_METRICS_H_
