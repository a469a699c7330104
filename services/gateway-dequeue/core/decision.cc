#include "services/gateway-dequeue/core/decision.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::dequeue {
namespace {

// Whether the asker may release this gateway's mail by ETRN. In the order of these lines: what is
// hidden comes before what is asked for.
std::optional<Refusal> CheckEtrn(const Gateway& gateway, const Overrides& overrides,
                                 const v1::Asker& asker) {
  if (!gateway.etrn_enabled) {  // DQ-10
    return Refusal{smtp::kNodeNotAllowed, Result::kUnknownDomain};
  }
  const GatewayOverrides& changed = overrides.For(gateway.domain());
  if (!Honors(gateway, changed, asker.client_address())) {  // DQ-40, DQ-41
    return Refusal{smtp::kNodeNotAllowed, Result::kForbidden};
  }
  if (gateway.etrn_require_auth) {        // otherwise the access lists alone decide
    if (asker.gateway_login().empty()) {  // DQ-13
      return Refusal{smtp::kAuthRequired, Result::kUnauthenticated};
    }
    if (asker.gateway_login() != gateway.domain()) {
      return Refusal{smtp::kNodeNotAllowed, Result::kForbidden};
    }
  }
  if (changed.is_suspended()) {  // DQ-61
    return Refusal{smtp::kUnableToQueue, Result::kSuspended};
  }
  return std::nullopt;
}

EtrnDecision Refuse(Refusal refusal) { return {.refusal = std::move(refusal)}; }

EtrnDecision Unknown() { return Refuse({smtp::kNodeNotAllowed, Result::kUnknownDomain}); }

EtrnDecision ReleaseOne(const GatewayPointer& gateway, const Overrides& overrides,
                        const v1::Asker& asker) {
  if (gateway == nullptr) return Unknown();
  if (std::optional<Refusal> refusal = CheckEtrn(*gateway, overrides, asker)) {
    return Refuse(*std::move(refusal));
  }
  return {.releases = {{gateway, EtrnRoute(*gateway, asker.client_address())}}};
}

// `@d`: d and all below it that the asker may have. d must be a name of such a gateway or lie below
// one; a wider suffix (`@com`) would be a question about others. [RFC1985 5.3]
EtrnDecision ReleaseSubdomains(const GatewayTable& gateways, const Overrides& overrides,
                               const smtp::DomainName& suffix, const v1::Asker& asker) {
  EtrnDecision decision;
  bool is_within_own = false;
  std::optional<Refusal> suspended;  // one that would have been released
  std::optional<Refusal> nearest;    // why the gateway that has the suffix itself is not released
  for (const auto& [domain, gateway] : gateways.all()) {
    bool is_above = false;
    bool is_below = false;
    for (const smtp::DomainName& name : gateway->names) {
      is_above = is_above || suffix.IsSameOrSubdomainOf(name);
      is_below = is_below || name.IsSameOrSubdomainOf(suffix);
    }
    if (!is_above && !is_below) continue;
    std::optional<Refusal> refusal = CheckEtrn(*gateway, overrides, asker);
    const bool is_suspended = refusal.has_value() && refusal->result == Result::kSuspended;
    if (refusal.has_value() && !is_suspended) {
      if (gateway->HasName(suffix)) nearest = std::move(refusal);
      continue;
    }
    is_within_own = is_within_own || is_above;
    if (!is_below) continue;
    if (is_suspended) {
      suspended = std::move(refusal);
    } else {
      decision.releases.push_back({gateway, EtrnRoute(*gateway, asker.client_address())});
    }
  }
  if (is_within_own && !decision.releases.empty()) return decision;
  if (is_within_own && suspended.has_value()) return Refuse(*std::move(suspended));
  return nearest.has_value() ? Refuse(*std::move(nearest)) : Unknown();
}

AtrnDecision RefuseAtrn(const GatewayPointer& gateway, const smtp::ReplyCode& reply,
                        Result result) {
  return {.refusal = Refusal{reply, result}, .gateway = gateway};
}

}  // namespace

EtrnDecision DecideEtrn(const GatewayTable& gateways, const Overrides& overrides,
                        const v1::RequestEtrnRequest& request) {
  const absl::StatusOr<smtp::DomainName> name = smtp::DomainName::Parse(request.name());
  // [RFC1985 5] The node is a full domain name. `@com` is well formed, but nobody may have it.
  if (!name.ok() || (!name->has_dot() && request.form() != v1::ETRN_FORM_SUBDOMAINS)) {
    return Refuse({smtp::kSyntaxError, Result::kUnknownDomain});
  }
  switch (request.form()) {
    case v1::ETRN_FORM_NODE:
      return ReleaseOne(gateways.Find(*name), overrides, request.asker());
    case v1::ETRN_FORM_SUBDOMAINS:
      return ReleaseSubdomains(gateways, overrides, *name, request.asker());
    case v1::ETRN_FORM_QUEUE: {
      // A queue has its gateway's own name; aliases have none of their own.
      GatewayPointer gateway = gateways.Find(*name);
      if (gateway != nullptr && gateway->domain() != name->ascii()) gateway = nullptr;
      return ReleaseOne(gateway, overrides, request.asker());
    }
    default:
      return Refuse({smtp::kSyntaxError, Result::kUnknownDomain});
  }
}

mail::v1::Route EtrnRoute(const Gateway& gateway, const std::string& client_address) {
  mail::v1::Route route;
  route.set_port(gateway.etrn_port);
  route.set_credential(gateway.etrn_credential);
  route.set_treat_as_foreign(gateway.etrn_treat_as_foreign);  // DQ-17
  absl::string_view target = gateway.etrn_deliver_to;
  if (gateway.goes_to_asker()) {
    const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(client_address);
    route.set_address(address.ok() ? address->ToString() : client_address);
    return route;
  }
  const bool has_brackets = absl::StartsWith(target, "[") && absl::EndsWith(target, "]");
  if (has_brackets) target = target.substr(1, target.size() - 2);
  if (const auto address = net::IpAddress::Parse(target); address.ok()) {
    route.set_address(address->ToString());
  } else if (has_brackets) {
    route.set_host(std::string(target));  // A and AAAA only
  } else {
    route.set_domain(std::string(target));  // by MX
  }
  return route;
}

smtp::Reply EtrnReply(int64_t messages, const std::string& name) {
  if (messages == 0) {
    return smtp::Reply(smtp::kNoMessagesWaiting,
                       absl::StrCat("OK, no messages waiting for node ", name));
  }
  return smtp::Reply(
      smtp::kPendingCountStarted,
      absl::StrCat("OK, ", messages, " pending messages for node ", name, " started"));
}

AtrnDecision DecideAtrn(const GatewayTable& gateways, const Overrides& overrides,
                        const v1::AtrnBegin& begin) {
  const v1::Asker& asker = begin.asker();
  // [RFC2645 5.2.1] ATRN always needs AUTH, as a gateway (DQ-31).
  if (asker.gateway_login().empty()) {
    return RefuseAtrn(nullptr, smtp::kAuthRequired, Result::kUnauthenticated);
  }
  const GatewayPointer gateway = gateways.Find(asker.gateway_login());
  if (gateway == nullptr || !gateway->atrn_enabled) {  // DQ-30
    return RefuseAtrn(gateway, smtp::kAtrnRefused, Result::kUnknownDomain);
  }
  const GatewayOverrides& changed = overrides.For(gateway->domain());
  if (!Honors(*gateway, changed, asker.client_address())) {  // DQ-40, DQ-41
    return RefuseAtrn(gateway, smtp::kAtrnRefused, Result::kForbidden);
  }
  AtrnDecision decision{.gateway = gateway};
  decision.grant.set_allow_chunking(gateway->atrn_allow_chunking);
  v1::GrantedQueue* granted = decision.grant.add_queues();
  granted->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  granted->mutable_queue()->set_name(gateway->domain());
  std::vector<std::string> domains;
  for (const std::string& text : begin.domains()) {
    const absl::StatusOr<smtp::DomainName> name = smtp::DomainName::Parse(text);
    // One that is not the login's, and nothing is sent for any of them.
    if (!name.ok() || !gateway->HasName(*name)) {
      return RefuseAtrn(gateway, smtp::kAtrnRefused, Result::kForbidden);
    }
    domains.push_back(name->ascii());
  }
  if (changed.is_suspended()) {  // DQ-61
    return RefuseAtrn(gateway, smtp::kAtrnUnavailable, Result::kSuspended);
  }
  if (domains.empty()) {
    for (const smtp::DomainName& name : gateway->names) domains.push_back(name.ascii());
  }
  std::sort(domains.begin(), domains.end());
  domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
  for (std::string& domain : domains) granted->add_recipient_domains(std::move(domain));
  return decision;
}

}  // namespace turnpike::dequeue
