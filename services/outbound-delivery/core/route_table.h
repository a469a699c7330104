// The routes that the configuration gives: delivery modes, smart hosts, exceptions for domains,
// local domains. (DL-1 to DL-7, DL-20 to DL-25) Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_TABLE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/core/logins.h"
#include "services/outbound-delivery/core/route_plan.h"

namespace turnpike::delivery {

// Whose login at a smart host a message goes with (DL-24).
struct Sender {
  std::string account;      // authenticated as; empty: not
  std::string return_path;  // empty: the null sender
};

Sender SenderOf(const spool::v1::LeasedDelivery& delivery);

// What a server named in the configuration is spoken to by.
RoutePlan::Tls TlsOf(config::v1::ConnectionTls tls);

// Thread safety: immutable; thread-safe.
class RouteTable {
 public:
  // `config` is complete and checked; it is copied from. `logins` outlives the table. All plans get
  // `revision`.
  RouteTable(const config::v1::Config& config, const Logins& logins, uint64_t revision = 0);

  // The plan for a queue whose last release, or an operator, gave `route`; unset: by the queue's
  // own name. A reply when the configuration has no place for it; it is a temporary one.
  smtp::ReplyOr<RoutePlan> PlanFor(const spool::v1::QueueName& queue, const mail::v1::Route& route,
                                   const Sender& sender = {}) const;

  // When mail that has no plan is tried again.
  const std::shared_ptr<const RetryPolicy>& default_retry() const { return retry_; }

 private:
  struct SmartHost {
    RoutePlan plan;  // without per-account login
    bool is_per_account = false;
  };
  // delivery.routes[]
  struct Exception {
    std::vector<std::string> domains;  // `*.example.org` as `.example.org`
    std::optional<SmartHost> smart_host;
    std::optional<RoutePlan> fixed;
    RoutePlan::Tls tls = RoutePlan::Tls::kOpportunistic;
    size_t connections_max = 0;  // 0: as in `delivery`
    int messages_per_connection_max = 0;
    int messages_per_minute_max = 0;
    std::shared_ptr<const RetryPolicy> retry;
  };

  SmartHost SmartHostFrom(const config::v1::SmartHost& host, const std::string& login,
                          const std::string& pop_check) const;
  RoutePlan PlanForSmartHost(const SmartHost& host, const Sender& sender) const;
  RoutePlan PlanForRemote(const std::string& name, const Sender& sender) const;
  smtp::ReplyOr<RoutePlan> PlanForRoute(const mail::v1::Route& route) const;
  smtp::ReplyOr<RoutePlan> PlanForLocal(const std::string& domain) const;
  const Exception* ExceptionFor(absl::string_view domain) const;
  // The account's login name; empty: it has none.
  std::string LoginOf(const Sender& sender) const;

  const Logins& logins_;
  RoutePlan direct_;  // what all plans begin with
  config::v1::DeliveryMode mode_;
  std::optional<SmartHost> smart_host_;
  std::vector<Exception> exceptions_;
  absl::flat_hash_map<std::string, RoutePlan> local_domains_;
  absl::flat_hash_map<std::string, std::string> account_by_address_;  // lower case; aliases too
  std::shared_ptr<const RetryPolicy> retry_;
};

// A name for PopChecks, of delivery.smart_host and of delivery.routes[].
inline constexpr char kSmartHostPopCheckName[] = "smart_host";
std::string RoutePopCheckName(int number);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUTE_TABLE_H_
