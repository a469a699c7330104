#include "services/outbound-delivery/core/route_plan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace turnpike::delivery {

const char* RouteKindName(RoutePlan::Kind kind) {
  switch (kind) {
    case RoutePlan::Kind::kDirect:
      return "direct";
    case RoutePlan::Kind::kGateway:
      return "gateway";
    case RoutePlan::Kind::kLocal:
      return "local";
    case RoutePlan::Kind::kSmartHost:
      return "smart_host";
    case RoutePlan::Kind::kFixed:
      return "fixed";
  }
  return "";
}

RoutePlan RoutePlan::RequiringTls() const {
  RoutePlan plan = *this;
  plan.requires_tls = true;
  if (fallback != nullptr) {
    plan.fallback = std::make_shared<const RoutePlan>(fallback->RequiringTls());
  }
  return plan;
}

std::string RoutePlan::LimitKeyFor(const spool::v1::QueueName& queue) const {
  return absl::StrCat("destination/",
                      is_shared() ? std::string() : absl::StrCat(queue.name(), "|", queue.kind()),
                      "|", static_cast<int>(target), "|", static_cast<int>(kind), "|", name, "|",
                      port, "|", is_lmtp);
}

std::string RoutePlan::KeyFor(const spool::v1::QueueName& queue) const {
  return absl::StrCat(LimitKeyFor(queue), "|", is_trusted, "|", static_cast<int>(tls), "|",
                      requires_tls, "|", login, "|", pop_check, "|", connections_max, "|",
                      messages_per_connection_max, "|", messages_per_minute_max, "|",
                      absl::StrJoin(avoided_hosts, ","), "|", revision);
}

}  // namespace turnpike::delivery
