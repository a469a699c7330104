// gateway-dequeue: who may dequeue what, when, and to where.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/gateway-dequeue/collect/agenda.h"
#include "services/gateway-dequeue/collect/collect_service.h"
#include "services/gateway-dequeue/collect/frontend_client.h"
#include "services/gateway-dequeue/core/settings.h"
#include "services/gateway-dequeue/rpc/forward_rounds.h"
#include "services/gateway-dequeue/rpc/metrics.h"
#include "services/gateway-dequeue/rpc/overrides_reader.h"
#include "services/gateway-dequeue/rpc/parts.h"
#include "services/gateway-dequeue/rpc/queue_watch.h"
#include "services/gateway-dequeue/rpc/release_joiner.h"
#include "services/gateway-dequeue/rpc/retention_rounds.h"
#include "services/gateway-dequeue/rpc/suspension_watch.h"
#include "services/gateway-dequeue/rpc/unknown_outcomes.h"
#include "services/spool-store/client/stores.h"

namespace turnpike::dequeue {
namespace {

class GatewayDequeue : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    auto service = std::make_unique<GatewayDequeue>(environment);
    TURNPIKE_ASSIGN_OR_RETURN(
        service->agenda_,
        Agenda::Start(config,
                      {.state = *service->state_,
                       .frontend = std::make_unique<FrontendClient>(rpc::CreateChannel(
                           config.services().smtp_frontend().target(), environment.security)),
                       .registry = *environment.registry,
                       .clock = base::Clock::System()}));
    service->service_.SetAgenda(*service->agenda_);
    TURNPIKE_ASSIGN_OR_RETURN(
        service->server_,
        rpc::Server::Start({.listen = config.services().gateway_dequeue().listen(),
                            .reflection = config.services().reflection(),
                            .security = environment.security},
                           {&service->service_}));
    return service;
  }

  explicit GatewayDequeue(const process::Environment& environment)
      : GatewayDequeue(*environment.config, *environment.registry, environment.security) {}

  GatewayDequeue(const config::v1::Config& config, prometheus::Registry& registry,
                 const rpc::Security* security)
      : settings_(std::make_shared<const Settings>(config)),
        metrics_(registry),
        stores_(spool::ConnectToStores(config, security)),
        state_(spool::CreateSharedState(stores_)),
        spool_(spool::CreateSpool(stores_)),
        unknown_outcomes_(CreateRpcUnknownOutcomes(stores_)),
        overrides_(*state_, OverridesReader::Options()),
        joiner_(*spool_),
        service_(parts_),
        queue_watch_(std::in_place, settings_, *spool_, metrics_, QueueWatch::Options()),
        suspension_watch_(std::in_place, parts_, service_, SuspensionWatch::Options()),
        forward_rounds_(std::in_place, parts_, ForwardRounds::Options()),
        retention_rounds_(std::in_place, parts_, RetentionRounds::Options()) {}

  ~GatewayDequeue() override {
    server_ = nullptr;
    if (agenda_ != nullptr) agenda_->Stop();
    retention_rounds_.reset();
    forward_rounds_.reset();
    suspension_watch_.reset();
    queue_watch_.reset();
    // Their last callbacks still use the service.
    spool_ = nullptr;
    state_ = nullptr;
    agenda_ = nullptr;  // what it awaited of the shared state has been answered
  }

  bool IsReady() const override { return true; }
  std::string grpc_address() const override { return server_->address(); }

  // Requests and sessions that have been decided on go on as they were granted.
  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    auto settings = std::make_shared<const Settings>(*config);
    TURNPIKE_RETURN_IF_ERROR(agenda_->Reconfigure(*config));
    settings_.Set(std::move(settings));
    return absl::OkStatus();
  }

  void Drain(absl::Time deadline) override {
    server_->SetServing(false);
    agenda_->Drain(deadline);
    service_.Drain(deadline);
    server_->Shutdown(deadline);
  }

 private:
  base::Current<Settings> settings_;
  Metrics metrics_;
  const spool::Stores stores_;
  std::unique_ptr<spool::SharedState> state_;
  std::unique_ptr<spool::Spool> spool_;
  const std::unique_ptr<UnknownOutcomes> unknown_outcomes_;
  OverridesReader overrides_;
  ReleaseJoiner joiner_;
  const Parts parts_{.settings = settings_,
                     .spool = *spool_,
                     .state = *state_,
                     .overrides = overrides_,
                     .joiner = joiner_,
                     .unknown_outcomes = *unknown_outcomes_,
                     .metrics = metrics_,
                     .clock = base::Clock::System()};
  CollectService service_;
  std::unique_ptr<Agenda> agenda_;
  std::optional<QueueWatch> queue_watch_;
  std::optional<SuspensionWatch> suspension_watch_;
  std::optional<ForwardRounds> forward_rounds_;
  std::optional<RetentionRounds> retention_rounds_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace
}  // namespace turnpike::dequeue

int main(int argc, char** argv) {
  return turnpike::process::ServiceMain(
      argc, argv, "gateway-dequeue",
      [](const turnpike::config::v1::Services& services)
          -> const turnpike::config::v1::ServiceEndpoint& { return services.gateway_dequeue(); },
      turnpike::dequeue::GatewayDequeue::Create);
}
