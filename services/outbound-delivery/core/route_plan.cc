#include "services/outbound-delivery/core/route_plan.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "services/common/net/ip.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

constexpr uint16_t kLmtpPort = 24;

std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

// `mail.example:24`, `[2001:db8::1]:24`, `192.0.2.1:24`; checked by the configuration's loader.
void SetHostPort(const std::string& text, RoutePlan* plan) {
  const size_t colon = text.rfind(':');
  absl::string_view host = absl::string_view(text).substr(0, colon);
  uint32_t port = 0;
  if (colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &port) && port > 0 &&
      port <= 65535) {
    plan->port = static_cast<uint16_t>(port);
  }
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  plan->name = std::string(host);
  plan->target =
      net::IpAddress::Parse(host).ok() ? RoutePlan::Target::kAddress : RoutePlan::Target::kHost;
}

}  // namespace

const char* RouteKindName(RoutePlan::Kind kind) {
  switch (kind) {
    case RoutePlan::Kind::kDirect:
      return "direct";
    case RoutePlan::Kind::kGateway:
      return "gateway";
    case RoutePlan::Kind::kLocal:
      return "local";
  }
  return "";
}

RouteTable::RouteTable(const config::v1::Config& config)
    : smtp_port_(static_cast<uint16_t>(
          config.delivery().smtp_port() == 0 ? 25 : config.delivery().smtp_port())) {
  for (const config::v1::LocalDomain& local : config.local_domains()) {
    RoutePlan plan{.kind = RoutePlan::Kind::kLocal,
                   .port = local.lmtp() ? kLmtpPort : uint16_t{25},
                   .is_lmtp = local.lmtp(),
                   .is_trusted = true,
                   .is_indirect = true};
    SetHostPort(local.mailbox_server(), &plan);
    local_domains_.insert_or_assign(Normal(local.domain()), std::move(plan));
  }
}

smtp::ReplyOr<RoutePlan> RouteTable::PlanForLocal(const std::string& domain) const {
  const auto it = local_domains_.find(domain);
  if (it == local_domains_.end()) return kNoMailboxServer;
  return it->second;
}

smtp::ReplyOr<RoutePlan> RouteTable::PlanFor(const spool::v1::QueueName& queue,
                                             const mail::v1::Route& route) const {
  if (!route.credential().empty()) return kUnknownLogin;
  RoutePlan plan;
  plan.port = smtp_port_;
  switch (route.target_case()) {
    case mail::v1::Route::kDomain: {
      std::string domain = Normal(route.domain());
      // (DQ-17)
      if (!route.treat_as_foreign() && local_domains_.contains(domain)) return PlanForLocal(domain);
      plan.target = RoutePlan::Target::kDomain;
      plan.name = std::move(domain);
      break;
    }
    case mail::v1::Route::kHost:
      plan.target = RoutePlan::Target::kHost;
      plan.name = Normal(route.host());
      break;
    case mail::v1::Route::kAddress:
      plan.target = RoutePlan::Target::kAddress;
      plan.name = route.address();
      plan.is_trusted = true;
      break;
    case mail::v1::Route::TARGET_NOT_SET: {
      if (queue.kind() == spool::v1::QUEUE_KIND_LOCAL) return PlanForLocal(queue.name());
      const absl::StatusOr<smtp::AddressLiteral> literal =
          smtp::AddressLiteral::Parse(queue.name());
      if (literal.ok()) {
        plan.target = RoutePlan::Target::kAddress;
        plan.name = literal->address();
      } else {
        plan.name = queue.name();
      }
      return plan;
    }
  }
  plan.kind = RoutePlan::Kind::kGateway;
  plan.is_lmtp = route.lmtp();
  plan.is_indirect = true;
  if (route.port() > 0 && route.port() <= 65535) {
    plan.port = static_cast<uint16_t>(route.port());
  } else if (route.lmtp()) {
    plan.port = kLmtpPort;
  }
  return plan;
}

}  // namespace turnpike::delivery
