#include "services/outbound-delivery/engine.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/clock.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/outbound-delivery/core/address_filter.h"
#include "services/outbound-delivery/resolve/own_hosts.h"
#include "services/outbound-delivery/security/curl_sts_fetcher.h"

namespace turnpike::delivery {
namespace {

// Of the leases, what one queue may have at once: so that some slow ones leave room for the others.
constexpr uint32_t kQueueShare = 8;
constexpr uint32_t kLeasesPerQueueMin = 32;
// What one destination (a smart host has many queues) keeps waiting at most.
constexpr uint32_t kDestinationShare = 2;
constexpr absl::Duration kBackoffMax = absl::Seconds(15);
constexpr absl::Duration kSickTimeMax = absl::Seconds(60);

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string WorkerName() {
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) != 0) return "outbound-delivery";
  return absl::StrCat("outbound-delivery/", host, "/", getpid());
}

size_t RandomBelow(size_t n) { return static_cast<size_t>(base::RandomUint64() % n); }

Worker::Options WorkerOptions(const config::v1::Config& config) {
  const config::v1::Delivery& delivery = config.delivery();
  const RetryPolicy retry = RetryPolicy::FromConfig(config.retry());
  Worker::Options options;
  options.name = WorkerName();
  options.lease_duration = FromProto(config.spool().lease_duration());
  options.leases_max = static_cast<int>(delivery.leases_max());
  options.leases_per_queue_max = static_cast<int>(std::min(
      delivery.leases_max(), std::max(kLeasesPerQueueMin, delivery.leases_max() / kQueueShare)));
  options.round = FromProto(delivery.processing_interval());
  options.dispatcher.backoff = std::min(kBackoffMax, retry.first_interval / 4);
  options.dispatcher.stalled_max = delivery.leases_max();
  options.dispatcher.waiting_max = std::max(1U, delivery.leases_max() / kDestinationShare);
  options.session.idle_timeout = FromProto(delivery.idle_timeout());
  options.settler.host_name = config.hostname();
  options.settler.round = options.round;
  return options;
}

Connector::Options ConnectorOptions(const config::v1::Config& config) {
  const config::v1::Delivery& delivery = config.delivery();
  Connector::Options options;
  options.host_name = config.hostname();
  options.connect_timeout = FromProto(delivery.connect_timeout());
  options.timeouts.greeting = FromProto(delivery.command_timeout());
  options.timeouts.command = FromProto(delivery.command_timeout());
  options.timeouts.data_block = FromProto(delivery.data_timeout());
  options.timeouts.end_of_data = FromProto(delivery.data_timeout());
  options.sick_time = std::min(kSickTimeMax, FromProto(config.retry().first_interval()) / 2);
  return options;
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

Engine::Engine(const config::v1::Config& config, Logins logins, Store store,
               prometheus::Registry& registry)
    : metrics_(registry),
      logins_(std::move(logins)),
      routes_(config, logins_),
      classes_(config),
      store_(std::move(store)) {}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const config::v1::Config& config,
                                                       Store store,
                                                       prometheus::Registry& registry) {
  const base::Clock& clock = base::Clock::System();
  TURNPIKE_ASSIGN_OR_RETURN(Logins logins, Logins::FromConfig(config));
  std::unique_ptr<Engine> engine(new Engine(config, std::move(logins), std::move(store), registry));
  engine->threads_ = std::make_unique<net::IoThreads>(config.delivery().threads());

  const config::v1::Dns& dns = config.dns();
  TURNPIKE_ASSIGN_OR_RETURN(
      engine->ares_dns_, AresDns::Create({.servers = {dns.servers().begin(), dns.servers().end()},
                                          .timeout = FromProto(dns.timeout())},
                                         engine->threads_->context(0)));
  Metrics* const metrics = &engine->metrics_;
  engine->metered_dns_ = std::make_unique<MeteredDns>(
      *engine->ares_dns_,
      [metrics](RecordType type, DnsAnswer::Result result, absl::Duration time) {
        metrics->CountDns(type, result);
        metrics->dns_duration->Observe(absl::ToDoubleSeconds(time));
      },
      clock);
  engine->caching_dns_ =
      std::make_unique<CachingDns>(*engine->metered_dns_,
                                   CachingDns::Options{.time_min = FromProto(dns.cache_time_min()),
                                                       .time_max = FromProto(dns.cache_time_max()),
                                                       .entries_max = dns.cache_entries_max()},
                                   clock);
  engine->resolver_ = std::make_unique<Resolver>(
      *engine->caching_dns_, OwnHostsOf(config, InterfaceAddresses()),
      Resolver::Options{.allow_forbidden_addresses = config.delivery().allow_loopback_hosts(),
                        .trusts_ad = config.dns().trust_ad(),
                        .random = RandomBelow});
  engine->pop_checks_ = std::make_unique<PopChecks>(
      MakePopChecks(config.delivery()),
      [metrics](const absl::Status& status) {
        metrics->pop_checks[status.ok() ? 0 : 1]->Increment();
        if (status.ok()) return;
        TURNPIKE_LOG(kWarning, "POP3 login before the smart host failed; its mail waits",
                     {{"status", status.ToString()}});
      },
      clock);
  TURNPIKE_RETURN_IF_ERROR(engine->CreateSecurity(config, clock));
  engine->connector_ = std::make_unique<Connector>(
      ConnectorOptions(config), Connector::Environment{.resolver = engine->resolver_.get(),
                                                       .logins = &engine->logins_,
                                                       .pop_checks = engine->pop_checks_.get(),
                                                       .tls_advisor = engine->tls_advisor_.get(),
                                                       .tls_clients = engine->tls_clients_.get(),
                                                       .metrics = metrics,
                                                       .clock = &clock});
  if (config.gateways_size() > 0) {
    engine->suspended_ = std::make_unique<SuspendedGateways>(*engine->store_.shared_state, clock);
  }
  engine->worker_ = std::make_unique<Worker>(
      WorkerOptions(config), Worker::Environment{.spool = engine->store_.spool.get(),
                                                 .slots = engine->store_.slots.get(),
                                                 .routes = &engine->routes_,
                                                 .connector = engine->connector_.get(),
                                                 .suspended = engine->suspended_.get(),
                                                 .classes = &engine->classes_,
                                                 .threads = engine->threads_.get(),
                                                 .metrics = metrics,
                                                 .clock = &clock});
  return engine;
}

absl::Status Engine::CreateSecurity(const config::v1::Config& config, const base::Clock& clock) {
  const config::v1::Delivery& delivery = config.delivery();
  TURNPIKE_ASSIGN_OR_RETURN(tls_clients_, TlsClients::Create(delivery.authorities_file()));
  if (delivery.mta_sts()) {
    sts_fetcher_ = std::make_unique<CurlStsFetcher>(
        CurlStsFetcher::Options{.authorities_file = delivery.authorities_file(),
                                .port = static_cast<uint16_t>(delivery.mta_sts_port())});
    const bool allows_all = delivery.allow_loopback_hosts();
    Metrics* const metrics = &metrics_;
    sts_policies_ = std::make_unique<StsPolicies>(
        *caching_dns_, *sts_fetcher_,
        StsPolicies::Options{.is_allowed =
                                 [allows_all](const net::IpAddress& address) {
                                   return allows_all || IsAllowedForMail(address);
                                 },
                             .report =
                                 [metrics](StsPolicies::Outcome outcome) {
                                   metrics->sts_policies[static_cast<size_t>(outcome)]->Increment();
                                 }},
        clock);
  }
  tls_advisor_ = std::make_unique<TlsAdvisor>(*caching_dns_, sts_policies_.get(),
                                              delivery.dane() && config.dns().trust_ad());
  return absl::OkStatus();
}

void Engine::Drain(absl::Time deadline) {
  if (std::exchange(is_drained_, true)) return;
  worker_->Drain(deadline);
}

Engine::~Engine() {
  if (worker_ != nullptr) Drain(absl::InfinitePast());
  // Open questions and calls end while there are threads for their callbacks; then the threads,
  // with the sessions that are left on them; then what these used.
  pop_checks_.reset();
  sts_fetcher_.reset();
  ares_dns_.reset();
  store_.shared_state.reset();
  store_.spool.reset();
  store_.slots.reset();  // the sessions' slots outlive it
  threads_.reset();
  worker_.reset();
}

}  // namespace turnpike::delivery
