#include "services/outbound-delivery/core/route_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/net/ip.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

constexpr uint16_t kSmtpPort = 25;
constexpr uint16_t kLmtpPort = 24;

std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

// A host's name, or an IP address with or without brackets.
void SetHost(absl::string_view host, RoutePlan* plan) {
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  const bool is_address = net::IpAddress::Parse(host).ok();
  plan->name = is_address ? std::string(host) : Normal(std::string(host));
  plan->target = is_address ? RoutePlan::Target::kAddress : RoutePlan::Target::kHost;
}

// `mail.example:24`, `[2001:db8::1]:24`, `192.0.2.1:24`; checked by the configuration's loader.
void SetHostPort(const std::string& text, RoutePlan* plan) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &port) && port > 0 &&
      port <= 65535) {
    plan->port = static_cast<uint16_t>(port);
  }
  SetHost(absl::string_view(text).substr(0, colon), plan);
}

RoutePlan::Tls FromProto(config::v1::DeliveryTls tls) {
  switch (tls) {
    case config::v1::DELIVERY_TLS_NONE:
      return RoutePlan::Tls::kNone;
    case config::v1::DELIVERY_TLS_REQUIRED:
      return RoutePlan::Tls::kRequired;
    case config::v1::DELIVERY_TLS_VERIFIED:
      return RoutePlan::Tls::kVerified;
    default:
      return RoutePlan::Tls::kOpportunistic;
  }
}

std::shared_ptr<const RetryPolicy> MakeRetry(const config::v1::Retry& retry) {
  return std::make_shared<const RetryPolicy>(RetryPolicy::FromConfig(retry));
}

}  // namespace

RoutePlan::Tls TlsOf(config::v1::ConnectionTls tls) {
  switch (tls) {
    case config::v1::CONNECTION_TLS_NONE:
      return RoutePlan::Tls::kNone;
    case config::v1::CONNECTION_TLS_STARTTLS:
      return RoutePlan::Tls::kVerified;
    case config::v1::CONNECTION_TLS_IMPLICIT:
      return RoutePlan::Tls::kImplicit;
    default:
      return RoutePlan::Tls::kOpportunistic;
  }
}

std::string RoutePopCheckName(int number) { return absl::StrCat("routes/", number); }

Sender SenderOf(const spool::v1::LeasedDelivery& delivery) {
  return {.account = delivery.client().account(), .return_path = delivery.envelope().return_path()};
}

RouteTable::RouteTable(const config::v1::Config& config, const Logins& logins, uint64_t revision)
    : logins_(logins), mode_(config.delivery().mode()), retry_(MakeRetry(config.retry())) {
  const config::v1::Delivery& delivery = config.delivery();
  direct_.port =
      delivery.smtp_port() == 0 ? kSmtpPort : static_cast<uint16_t>(delivery.smtp_port());
  direct_.tls = FromProto(delivery.tls());
  direct_.aborts_on_refused_recipient = delivery.abort_on_rcpt_5xx();
  direct_.returns_without_mx = delivery.bounce_if_no_mx();
  direct_.returns_on_first_refusal = delivery.bounce_on_first_5xx();
  direct_.connections_max = delivery.connections_per_destination_max();
  direct_.messages_per_connection_max = static_cast<int>(delivery.messages_per_connection_max());
  direct_.retry = retry_;
  direct_.revision = revision;

  for (const config::v1::LocalDomain& local : config.local_domains()) {
    RoutePlan plan = direct_;
    plan.kind = RoutePlan::Kind::kLocal;
    plan.port = local.lmtp() ? kLmtpPort : kSmtpPort;
    plan.is_lmtp = local.lmtp();
    plan.is_trusted = true;
    plan.is_indirect = true;
    plan.tls = direct_.tls == RoutePlan::Tls::kNone ? RoutePlan::Tls::kNone
                                                    : RoutePlan::Tls::kOpportunistic;
    plan.returns_on_first_refusal = true;
    SetHostPort(local.mailbox_server(), &plan);
    local_domains_.insert_or_assign(Normal(local.domain()), std::move(plan));
  }
  for (const config::v1::Account& account : config.accounts()) {
    account_by_address_[absl::AsciiStrToLower(account.address())] = account.address();
    for (const std::string& alias : account.aliases()) {
      account_by_address_[absl::AsciiStrToLower(alias)] = account.address();
    }
  }
  if (delivery.has_smart_host()) {
    smart_host_ = SmartHostFrom(delivery.smart_host(), kSmartHostLoginName, kSmartHostPopCheckName);
    smart_host_->plan.returns_refused = delivery.bounce_on_smart_host_5xx();
  }
  for (int i = 0; i < delivery.routes_size(); ++i) {
    const config::v1::DeliveryRoute& route = delivery.routes(i);
    Exception exception;
    for (const std::string& domain : route.domains()) {
      absl::string_view name = domain;
      const bool is_wildcard = absl::ConsumePrefix(&name, "*.");
      exception.domains.push_back(absl::StrCat(is_wildcard ? "." : "", Normal(std::string(name))));
    }
    exception.tls = FromProto(route.tls());
    exception.connections_max = route.connections_per_destination_max();
    exception.messages_per_connection_max = static_cast<int>(route.messages_per_connection_max());
    exception.messages_per_minute_max = static_cast<int>(route.messages_per_minute_max());
    exception.retry = route.has_retry() ? MakeRetry(route.retry()) : retry_;
    if (route.has_smart_host()) {
      exception.smart_host =
          SmartHostFrom(route.smart_host(), RouteLoginName(i), RoutePopCheckName(i));
      exception.smart_host->plan.returns_refused = delivery.bounce_on_smart_host_5xx();
    } else if (!route.host().empty()) {
      RoutePlan plan = direct_;
      plan.kind = RoutePlan::Kind::kFixed;
      plan.is_trusted = true;
      plan.is_indirect = true;
      plan.is_lmtp = route.lmtp();
      plan.port = route.port() > 0 ? static_cast<uint16_t>(route.port())
                  : route.lmtp()   ? kLmtpPort
                                   : kSmtpPort;
      plan.tls = exception.tls;
      SetHost(route.host(), &plan);
      exception.fixed = std::move(plan);
    }
    exceptions_.push_back(std::move(exception));
  }
}

RouteTable::SmartHost RouteTable::SmartHostFrom(const config::v1::SmartHost& host,
                                                const std::string& login,
                                                const std::string& pop_check) const {
  RoutePlan plan = direct_;
  plan.kind = RoutePlan::Kind::kSmartHost;
  plan.is_trusted = true;
  plan.is_indirect = true;
  plan.returns_without_mx = false;
  plan.port = host.port() == 0 ? kSmtpPort : static_cast<uint16_t>(host.port());
  plan.tls = TlsOf(host.tls());
  SetHost(host.host(), &plan);
  if (host.use_mx() && plan.target == RoutePlan::Target::kHost) {
    plan.target = RoutePlan::Target::kDomain;  // (DL-21)
  }
  if (host.has_auth()) plan.login = login;
  if (host.has_pop_check()) plan.pop_check = pop_check;
  return {.plan = std::move(plan), .is_per_account = host.per_account_auth()};
}

std::string RouteTable::LoginOf(const Sender& sender) const {
  for (const std::string& address : {sender.account, sender.return_path}) {
    const auto account = account_by_address_.find(absl::AsciiStrToLower(address));
    if (account == account_by_address_.end()) continue;
    std::string name = AccountLoginName(account->second);
    return logins_.Find(name) == nullptr ? std::string() : name;
  }
  return std::string();
}

RoutePlan RouteTable::PlanForSmartHost(const SmartHost& host, const Sender& sender) const {
  RoutePlan plan = host.plan;
  if (!host.is_per_account) return plan;
  std::string login = LoginOf(sender);
  if (!login.empty()) plan.login = std::move(login);  // (DL-24)
  return plan;
}

const RouteTable::Exception* RouteTable::ExceptionFor(absl::string_view domain) const {
  for (const Exception& exception : exceptions_) {
    const bool matches = std::any_of(
        exception.domains.begin(), exception.domains.end(), [&](const std::string& pattern) {
          return pattern.front() == '.' ? absl::EndsWith(domain, pattern) : domain == pattern;
        });
    if (matches) return &exception;
  }
  return nullptr;
}

RoutePlan RouteTable::PlanForRemote(const std::string& name, const Sender& sender) const {
  const Exception* exception = ExceptionFor(name);
  RoutePlan plan = direct_;
  if (exception != nullptr && exception->smart_host) {
    plan = PlanForSmartHost(*exception->smart_host, sender);
  } else if (exception != nullptr && exception->fixed) {
    plan = *exception->fixed;
  } else if (mode_ == config::v1::DELIVERY_MODE_SMART_HOST && smart_host_) {
    plan = PlanForSmartHost(*smart_host_, sender);  // (DL-2)
  } else {
    const absl::StatusOr<smtp::AddressLiteral> literal = smtp::AddressLiteral::Parse(name);
    if (literal.ok()) plan.target = RoutePlan::Target::kAddress;
    plan.name = literal.ok() ? literal->address() : name;
    if (exception != nullptr) plan.tls = exception->tls;
    if (mode_ == config::v1::DELIVERY_MODE_DIRECT_THEN_SMART_HOST && smart_host_) {
      RoutePlan fallback = PlanForSmartHost(*smart_host_, sender);
      if (exception != nullptr) fallback.retry = exception->retry;
      plan.fallback = std::make_shared<const RoutePlan>(std::move(fallback));  // (DL-3)
    }
  }
  if (exception == nullptr) return plan;
  plan.retry = exception->retry;
  if (exception->connections_max > 0) plan.connections_max = exception->connections_max;
  if (exception->messages_per_connection_max > 0) {
    plan.messages_per_connection_max = exception->messages_per_connection_max;
  }
  plan.messages_per_minute_max = exception->messages_per_minute_max;
  return plan;
}

smtp::ReplyOr<RoutePlan> RouteTable::PlanForLocal(const std::string& domain) const {
  const auto it = local_domains_.find(domain);
  if (it == local_domains_.end()) return kNoMailboxServer;
  return it->second;
}

smtp::ReplyOr<RoutePlan> RouteTable::PlanForRoute(const mail::v1::Route& route) const {
  if (!route.credential().empty() && logins_.Find(route.credential()) == nullptr) {
    return kUnknownLogin;
  }
  RoutePlan plan = direct_;
  plan.kind = RoutePlan::Kind::kGateway;
  plan.is_indirect = true;
  plan.returns_without_mx = false;
  plan.login = route.credential();
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
    case mail::v1::Route::TARGET_NOT_SET:
      break;
  }
  plan.is_lmtp = route.lmtp();
  if (route.port() > 0 && route.port() <= 65535) {
    plan.port = static_cast<uint16_t>(route.port());
  } else if (route.lmtp()) {
    plan.port = kLmtpPort;
  }
  return plan;
}

smtp::ReplyOr<RoutePlan> RouteTable::PlanFor(const spool::v1::QueueName& queue,
                                             const mail::v1::Route& route,
                                             const Sender& sender) const {
  if (route.target_case() != mail::v1::Route::TARGET_NOT_SET) return PlanForRoute(route);
  if (!route.credential().empty()) return kUnknownLogin;
  if (queue.kind() == spool::v1::QUEUE_KIND_LOCAL) return PlanForLocal(queue.name());
  return PlanForRemote(queue.name(), sender);
}

}  // namespace turnpike::delivery
