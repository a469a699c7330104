// Where the mail of a queue is handed over, before DNS is asked. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/reply.h"

namespace turnpike::delivery {

// All that decides which connections can carry a delivery: two deliveries with equal plans of one
// queue may share a session.
struct RoutePlan {
  enum class Target {
    kDomain,   // MX, then A/AAAA
    kHost,     // A/AAAA
    kAddress,  // `name` is an IP address
  };
  // Why the mail goes there; the `route` label of metrics.
  enum class Kind {
    kDirect,   // by the DNS of the recipients' domain
    kGateway,  // by the route that a release gave (ETRN)
    kLocal,    // to the mailbox server of a local domain
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

  friend bool operator==(const RoutePlan&, const RoutePlan&) = default;
};

// `direct`, `gateway`, `local`
const char* RouteKindName(RoutePlan::Kind kind);

// The routes that the configuration gives. Thread safety: immutable; thread-safe.
class RouteTable {
 public:
  explicit RouteTable(const config::v1::Config& config);

  // The plan for a queue whose last release gave `route`; unset: by the queue's own name. A reply
  // when the configuration has no place for it; it is a temporary one.
  smtp::ReplyOr<RoutePlan> PlanFor(const spool::v1::QueueName& queue,
                                   const mail::v1::Route& route) const;

 private:
  smtp::ReplyOr<RoutePlan> PlanForLocal(const std::string& domain) const;

  absl::flat_hash_map<std::string, RoutePlan> local_domains_;
  uint16_t smtp_port_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_PLAN_H_
