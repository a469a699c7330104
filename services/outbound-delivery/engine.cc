#include "services/outbound-delivery/engine.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/outbound-delivery/resolve/own_hosts.h"

namespace turnpike::delivery {
namespace {

// Of the leases, what one queue may have at once: so that some slow ones leave room for the others.
constexpr uint32_t kQueueShare = 8;
constexpr uint32_t kLeasesPerQueueMin = 32;
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
  options.dispatcher.sessions_per_destination_max = delivery.connections_per_destination_max();
  options.dispatcher.backoff = std::min(kBackoffMax, retry.first_interval / 4);
  options.session.idle_timeout = FromProto(delivery.idle_timeout());
  options.session.messages_max = static_cast<int>(delivery.messages_per_connection_max());
  options.settler.host_name = config.hostname();
  options.settler.retry = retry;
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
  options.opportunistic_tls = delivery.tls() != config::v1::DELIVERY_TLS_NONE;
  options.sick_time = std::min(kSickTimeMax, FromProto(config.retry().first_interval()) / 2);
  return options;
}

}  // namespace

Engine::Engine(const config::v1::Config& config, std::unique_ptr<spool::Spool> spool,
               prometheus::Registry& registry)
    : metrics_(registry), routes_(config), classes_(config), spool_(std::move(spool)) {}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const config::v1::Config& config,
                                                       std::unique_ptr<spool::Spool> spool,
                                                       prometheus::Registry& registry) {
  const base::Clock& clock = base::Clock::System();
  std::unique_ptr<Engine> engine(new Engine(config, std::move(spool), registry));
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
                        .random = RandomBelow});
  TURNPIKE_ASSIGN_OR_RETURN(
      engine->connector_,
      Connector::Create(ConnectorOptions(config), *engine->resolver_, engine->metrics_, clock));
  engine->worker_ = std::make_unique<Worker>(WorkerOptions(config), *engine->spool_,
                                             engine->routes_, *engine->connector_, engine->classes_,
                                             *engine->threads_, engine->metrics_, clock);
  return engine;
}

void Engine::Drain(absl::Time deadline) {
  if (std::exchange(is_drained_, true)) return;
  worker_->Drain(deadline);
}

Engine::~Engine() {
  if (worker_ != nullptr) Drain(absl::InfinitePast());
  // Open questions and calls end while there are threads for their callbacks; then the threads,
  // with the sessions that are left on them; then what these used.
  ares_dns_.reset();
  spool_.reset();
  threads_.reset();
  worker_.reset();
}

}  // namespace turnpike::delivery
