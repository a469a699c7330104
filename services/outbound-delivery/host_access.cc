#include "services/outbound-delivery/host_access.h"

#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "services/common/base/file.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/outbound-delivery/core/address_filter.h"
#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/resolve/own_hosts.h"
#include "services/outbound-delivery/security/curl_sts_fetcher.h"

namespace turnpike::delivery {
namespace {

// All authorities that a system has are a third of that.
constexpr size_t kAuthoritiesBytesMax = 1 << 20;

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

size_t RandomBelow(size_t n) { return static_cast<size_t>(base::RandomUint64() % n); }

// All of the configuration that Create looks at, and what stands in the file.
std::string FingerprintOf(const config::v1::Config& config) {
  config::v1::Config seen;
  seen.set_hostname(config.hostname());
  for (const config::v1::Listener& listener : config.smtp().listeners()) {
    seen.mutable_smtp()->add_listeners()->set_listen(listener.listen());
  }
  *seen.mutable_dns() = config.dns();
  const config::v1::Delivery& delivery = config.delivery();
  config::v1::Delivery* const out = seen.mutable_delivery();
  out->set_allow_loopback_hosts(delivery.allow_loopback_hosts());
  out->set_authorities_file(delivery.authorities_file());
  out->set_mta_sts(delivery.mta_sts());
  out->set_mta_sts_port(delivery.mta_sts_port());
  out->set_dane(delivery.dane());
  if (delivery.smart_host().has_pop_check()) {
    *out->mutable_smart_host()->mutable_pop_check() = delivery.smart_host().pop_check();
  }
  for (const config::v1::DeliveryRoute& route : delivery.routes()) {
    config::v1::DeliveryRoute* const at = out->add_routes();  // checks are named by the place
    if (!route.smart_host().has_pop_check()) continue;
    *at->mutable_smart_host()->mutable_pop_check() = route.smart_host().pop_check();
  }
  std::string fingerprint = seen.SerializeAsString();
  if (!delivery.authorities_file().empty()) {
    // One that cannot be read is an error of those who use it.
    fingerprint +=
        base::ReadFile(delivery.authorities_file(), kAuthoritiesBytesMax).value_or(std::string());
  }
  return fingerprint;
}

PopChecks::Check MakePopCheck(const std::string& name, const config::v1::PopCheck& check,
                              const config::v1::Delivery& delivery) {
  absl::string_view host = check.host();
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return {.name = name,
          .host = std::string(host),
          .port = static_cast<uint16_t>(check.port()),
          .tls = TlsOf(check.tls()),
          .authorities_file = delivery.authorities_file(),
          .login = {.username = check.auth().username(),
                    .password = check.auth().password(),
                    .allow_cleartext = check.auth().allow_cleartext()},
          .every = FromProto(check.every()),
          .timeout = FromProto(check.timeout())};
}

std::vector<PopChecks::Check> MakePopChecks(const config::v1::Delivery& delivery) {
  std::vector<PopChecks::Check> checks;
  if (delivery.smart_host().has_pop_check()) {
    checks.push_back(
        MakePopCheck(kSmartHostPopCheckName, delivery.smart_host().pop_check(), delivery));
  }
  for (int i = 0; i < delivery.routes_size(); ++i) {
    const config::v1::SmartHost& host = delivery.routes(i).smart_host();
    if (!host.has_pop_check()) continue;
    checks.push_back(MakePopCheck(RoutePopCheckName(i), host.pop_check(), delivery));
  }
  return checks;
}

}  // namespace

absl::StatusOr<std::shared_ptr<HostAccess>> HostAccess::Create(const config::v1::Config& config,
                                                               Metrics& metrics,
                                                               asio::io_context& context,
                                                               const base::Clock& clock) {
  std::shared_ptr<HostAccess> access(new HostAccess(FingerprintOf(config)));
  const config::v1::Dns& dns = config.dns();
  TURNPIKE_ASSIGN_OR_RETURN(
      access->ares_dns_, AresDns::Create({.servers = {dns.servers().begin(), dns.servers().end()},
                                          .timeout = FromProto(dns.timeout())},
                                         context));
  access->metered_dns_ = std::make_unique<MeteredDns>(
      *access->ares_dns_,
      [&metrics](RecordType type, DnsAnswer::Result result, absl::Duration time) {
        metrics.CountDns(type, result);
        metrics.dns_duration->Observe(absl::ToDoubleSeconds(time));
      },
      clock);
  access->caching_dns_ =
      std::make_unique<CachingDns>(*access->metered_dns_,
                                   CachingDns::Options{.time_min = FromProto(dns.cache_time_min()),
                                                       .time_max = FromProto(dns.cache_time_max()),
                                                       .entries_max = dns.cache_entries_max()},
                                   clock);
  access->resolver_ = std::make_unique<Resolver>(
      *access->caching_dns_, OwnHostsOf(config, InterfaceAddresses()),
      Resolver::Options{.allow_forbidden_addresses = config.delivery().allow_loopback_hosts(),
                        .trusts_ad = dns.trust_ad(),
                        .random = RandomBelow});
  access->pop_checks_ = std::make_unique<PopChecks>(
      MakePopChecks(config.delivery()),
      [&metrics](const absl::Status& status) {
        metrics.pop_checks[status.ok() ? 0 : 1]->Increment();
        if (status.ok()) return;
        TURNPIKE_LOG(kWarning, "POP3 login before the smart host failed; its mail waits",
                     {{"status", status.ToString()}});
      },
      clock);
  TURNPIKE_RETURN_IF_ERROR(access->CreateSecurity(config, metrics, clock));
  return access;
}

absl::Status HostAccess::CreateSecurity(const config::v1::Config& config, Metrics& metrics,
                                        const base::Clock& clock) {
  const config::v1::Delivery& delivery = config.delivery();
  TURNPIKE_ASSIGN_OR_RETURN(tls_clients_, TlsClients::Create(delivery.authorities_file()));
  if (delivery.mta_sts()) {
    sts_fetcher_ = std::make_unique<CurlStsFetcher>(
        CurlStsFetcher::Options{.authorities_file = delivery.authorities_file(),
                                .port = static_cast<uint16_t>(delivery.mta_sts_port())});
    const bool allows_all = delivery.allow_loopback_hosts();
    sts_policies_ = std::make_unique<StsPolicies>(
        *caching_dns_, *sts_fetcher_,
        StsPolicies::Options{.is_allowed =
                                 [allows_all](const net::IpAddress& address) {
                                   return allows_all || IsAllowedForMail(address);
                                 },
                             .report =
                                 [&metrics](StsPolicies::Outcome outcome) {
                                   metrics.sts_policies[static_cast<size_t>(outcome)]->Increment();
                                 }},
        clock);
  }
  tls_advisor_ = std::make_unique<TlsAdvisor>(*caching_dns_, sts_policies_.get(),
                                              delivery.dane() && config.dns().trust_ad());
  return absl::OkStatus();
}

HostAccess::~HostAccess() { Stop(); }

bool HostAccess::IsFor(const config::v1::Config& config) const {
  return fingerprint_ == FingerprintOf(config);
}

void HostAccess::Stop() {
  pop_checks_.reset();
  sts_fetcher_.reset();
  ares_dns_.reset();
}

}  // namespace turnpike::delivery
