// Where the mail of a queue is handed over and how, before DNS is asked. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/outbound-delivery/core/retry_schedule.h"

namespace turnpike::delivery {

// All that decides which connections can carry a delivery, and what its answers mean.
struct RoutePlan {
  enum class Target {
    kDomain,   // MX, then A/AAAA
    kHost,     // A/AAAA
    kAddress,  // `name` is an IP address
  };
  // Why the mail goes there; the `route` label of metrics.
  enum class Kind {
    kDirect,     // by the DNS of the recipients' domain
    kGateway,    // by the route that a release gave (ETRN), or an operator
    kLocal,      // to the mailbox server of a local domain
    kSmartHost,  // to a smart host (DL-2, DL-3, DL-6)
    kFixed,      // to the host that delivery.routes names (DL-6)
  };
  enum class Tls {
    kNone,
    kOpportunistic,  // where offered, unchecked; a failed handshake is followed by one in clear
    kRequired,       // unchecked, but never in clear
    kVerified,       // with a certificate for the host's name
    kImplicit,       // the same, from the first octet
  };

  Target target = Target::kDomain;
  Kind kind = Kind::kDirect;
  std::string name;
  uint16_t port = 25;
  bool is_lmtp = false;

  // Whoever configured the target chose it, so that no address is forbidden; otherwise strangers
  // did, by their DNS or in an address literal.
  bool is_trusted = false;
  // The target is not the recipients' domain, so what DNS says of it is no verdict on the mail:
  // every failure to find it is temporary.
  bool is_indirect = false;

  Tls tls = Tls::kOpportunistic;
  // The mail goes only to a verified host that offers REQUIRETLS. [RFC8689 4.2.1]
  bool requires_tls = false;
  // A name for Logins; empty: no AUTH. Connections of different logins are never mixed (DL-24).
  std::string login;
  std::string pop_check;  // a name for PopChecks; empty: none (DL-23)

  bool aborts_on_refused_recipient = false;  // DL-30
  bool returns_without_mx = false;           // DL-31
  bool returns_on_first_refusal = true;      // DL-32
  bool returns_refused = true;               // DL-33; false: a 5xx counts as one for now

  // By all workers together (DL-40).
  size_t connections_max = 20;
  int messages_per_connection_max = 1000;
  int messages_per_minute_max = 0;  // 0: no limit

  // Hosts that are not to be asked (again): they have refused what is to be sent (DL-32).
  std::vector<std::string> avoided_hosts;

  // Of the configuration that it comes from. Mail of a later one goes over new connections (PL-31).
  uint64_t revision = 0;

  // What is not part of a destination:
  std::shared_ptr<const RoutePlan> fallback;  // where what nobody can be connected for goes (DL-3)
  std::shared_ptr<const RetryPolicy> retry;   // never null in a plan of RouteTable's

  // The same, its fallback too, for a message that requires TLS.
  RoutePlan RequiringTls() const;

  // Deliveries whose plans have equal keys may share connections. `queue`: whose mail it is.
  std::string KeyFor(const spool::v1::QueueName& queue) const;
  // The same for the limits that hold over all workers and hosts.
  std::string LimitKeyFor(const spool::v1::QueueName& queue) const;
  // Whether mail of several queues shares the destination.
  bool is_shared() const { return kind == Kind::kSmartHost || kind == Kind::kFixed; }

  friend bool operator==(const RoutePlan&, const RoutePlan&) = default;
};

inline constexpr size_t kRouteKinds = 5;

// `direct`, `gateway`, `local`, `smart_host`, `fixed`
const char* RouteKindName(RoutePlan::Kind kind);

using RoutePlanPtr = std::shared_ptr<const RoutePlan>;

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_
