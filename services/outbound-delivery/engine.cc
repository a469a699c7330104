#include "services/outbound-delivery/engine.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/routing/domain_classes.h"
#include "services/outbound-delivery/core/logins.h"
#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/transport/connector.h"

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
  options.has_gateways = config.gateways_size() > 0;
  return options;
}

Connector::Options ConnectorOptions(const config::v1::Config& config, uint64_t revision) {
  const config::v1::Delivery& delivery = config.delivery();
  Connector::Options options;
  options.revision = revision;
  options.host_name = config.hostname();
  options.connect_timeout = FromProto(delivery.connect_timeout());
  options.timeouts.greeting = FromProto(delivery.command_timeout());
  options.timeouts.command = FromProto(delivery.command_timeout());
  options.timeouts.data_block = FromProto(delivery.data_timeout());
  options.timeouts.end_of_data = FromProto(delivery.data_timeout());
  options.sick_time = std::min(kSickTimeMax, FromProto(config.retry().first_interval()) / 2);
  return options;
}

// All of the configuration that the settings are made of.
std::string FingerprintOf(const config::v1::Config& config) {
  config::v1::Config seen;
  seen.set_hostname(config.hostname());
  *seen.mutable_smtp()->mutable_listeners() = config.smtp().listeners();
  *seen.mutable_local_domains() = config.local_domains();
  *seen.mutable_accounts() = config.accounts();
  *seen.mutable_gateways() = config.gateways();
  *seen.mutable_delivery() = config.delivery();
  *seen.mutable_retry() = config.retry();
  *seen.mutable_dns() = config.dns();
  return seen.SerializeAsString();
}

// What the connections of one revision are made with, in one piece.
struct Outfit {
  Outfit(const config::v1::Config& config, Logins logins_in, uint64_t revision,
         std::shared_ptr<HostAccess> access_in, Metrics& metrics)
      : access(std::move(access_in)),
        logins(std::move(logins_in)),
        routes(config, logins, revision),
        connector(ConnectorOptions(config, revision),
                  Connector::Environment{.resolver = &access->resolver(),
                                         .logins = &logins,
                                         .pop_checks = &access->pop_checks(),
                                         .tls_advisor = &access->tls_advisor(),
                                         .tls_clients = &access->tls_clients(),
                                         .metrics = &metrics,
                                         .clock = &base::Clock::System()}) {}

  const std::shared_ptr<HostAccess> access;
  const Logins logins;
  const RouteTable routes;
  Connector connector;
};

}  // namespace

Engine::Engine(const config::v1::Config& config, Store store, prometheus::Registry& registry)
    : metrics_(registry),
      threads_(std::make_unique<net::IoThreads>(config.delivery().threads())),
      store_(std::move(store)),
      suspended_(*store_.shared_state, base::Clock::System()) {}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const config::v1::Config& config,
                                                       Store store,
                                                       prometheus::Registry& registry) {
  std::unique_ptr<Engine> engine(new Engine(config, std::move(store), registry));
  TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const Worker::Settings> settings,
                            engine->MakeSettings(config, /*revision=*/1));
  engine->fingerprint_ = FingerprintOf(config);
  engine->worker_ = std::make_unique<Worker>(
      std::move(settings), Worker::Environment{.spool = engine->store_.spool.get(),
                                               .slots = engine->store_.slots.get(),
                                               .suspended = &engine->suspended_,
                                               .threads = engine->threads_.get(),
                                               .metrics = &engine->metrics_,
                                               .clock = &base::Clock::System()});
  return engine;
}

absl::StatusOr<std::shared_ptr<const Worker::Settings>> Engine::MakeSettings(
    const config::v1::Config& config, uint64_t revision) {
  TURNPIKE_ASSIGN_OR_RETURN(Logins logins, Logins::FromConfig(config));
  if (accesses_.empty() || !accesses_.back()->IsFor(config)) {
    TURNPIKE_ASSIGN_OR_RETURN(
        std::shared_ptr<HostAccess> access,
        HostAccess::Create(config, metrics_, threads_->context(0), base::Clock::System()));
    accesses_.push_back(std::move(access));
  }
  const auto outfit =
      std::make_shared<Outfit>(config, std::move(logins), revision, accesses_.back(), metrics_);
  auto settings = std::make_shared<Worker::Settings>();
  settings->revision = revision;
  settings->options = WorkerOptions(config);
  settings->settler = std::make_shared<const Settler::Options>(
      Settler::Options{.host_name = config.hostname(),
                       .classes = std::make_shared<const routing::DomainClasses>(config),
                       .round = settings->options.round});
  settings->routes = std::shared_ptr<const RouteTable>(outfit, &outfit->routes);
  settings->resolver = std::shared_ptr<Resolver>(outfit, &outfit->access->resolver());
  settings->connector = std::shared_ptr<Connector>(outfit, &outfit->connector);
  return settings;
}

absl::Status Engine::Reconfigure(const config::v1::Config& config) {
  std::string fingerprint = FingerprintOf(config);
  if (fingerprint == fingerprint_ && accesses_.back()->IsFor(config)) return absl::OkStatus();
  TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const Worker::Settings> settings,
                            MakeSettings(config, worker_->settings()->revision + 1));
  worker_->Reconfigure(std::move(settings));
  fingerprint_ = std::move(fingerprint);
  accesses_.erase(std::remove_if(accesses_.begin(), accesses_.end() - 1,
                                 [](const std::shared_ptr<HostAccess>& access) {
                                   return access.use_count() == 1;
                                 }),
                  accesses_.end() - 1);
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
  for (const std::shared_ptr<HostAccess>& access : accesses_) access->Stop();
  store_.shared_state.reset();
  store_.spool.reset();
  store_.slots.reset();  // the sessions' slots outlive it
  threads_.reset();
  worker_.reset();
}

}  // namespace turnpike::delivery
