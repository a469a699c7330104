// auth-service: credentials, SASL exchanges, and who may send what.
#include <sodium.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/impl/service_type.h"
#include "prometheus/registry.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/gateways/gateway_gate.h"
#include "services/auth-service/neighbours.h"
#include "services/auth-service/rpc/explain.h"
#include "services/auth-service/rpc/metrics.h"
#include "services/auth-service/rpc/session_parts.h"
#include "services/auth-service/rpc/session_service.h"
#include "services/auth-service/rpc/work_pool.h"
#include "services/auth-service/store/config_directory.h"
#include "services/common/base/clock.h"
#include "services/common/base/disposer.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/stores.h"

namespace turnpike::auth {
namespace {

class AuthService : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    if (sodium_init() < 0) return absl::InternalError("libsodium does not work here");
    auto service = std::make_unique<AuthService>(environment);
    TURNPIKE_RETURN_IF_ERROR(service->Open(environment));
    return service;
  }

  explicit AuthService(const process::Environment& environment)
      : metrics_(*environment.registry),
        pool_({.threads = environment.config->auth().password_checks_max(),
               .waiting_max = environment.config->auth().password_checks_waiting_max()}),
        spool_(
            spool::CreateSpool(spool::ConnectToStores(*environment.config, environment.security))) {
  }

  ~AuthService() override {
    server_ = nullptr;
    sessions_ = nullptr;
    admin_ = nullptr;
    explainer_ = nullptr;
    gate_ = nullptr;
    parts_ = nullptr;
    if (neighbours_ != nullptr) neighbours_->Forget();
    // Questions in progress still use all of it, in this order.
    disposer_.reset();
    neighbours_ = nullptr;
    spool_ = nullptr;
  }

  absl::Status Open(const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    neighbours_ = std::make_unique<Neighbours>(config, *environment.registry, environment.security,
                                               *disposer_);
    TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const SessionParts> parts, MakeParts(config));
    neighbours_->Take(config);
    parts_ = std::make_shared<CurrentParts>(std::move(parts));
    explainer_ = std::make_unique<Explainer>(parts_);
    admin_ = neighbours_->MakeAdminService(
        [this](const v1::ExplainVerdictRequest& request, AdminServiceParts::ExplainDone done) {
          explainer_->Explain(request, std::move(done));
        });
    sessions_ = std::make_unique<SessionService>(parts_);
    TURNPIKE_ASSIGN_OR_RETURN(
        server_, rpc::Server::Start({.listen = config.services().auth_service().listen(),
                                     .reflection = config.services().reflection(),
                                     .security = environment.security},
                                    {sessions_.get(), admin_.get()}));
    return absl::OkStatus();
  }

  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    absl::StatusOr<std::shared_ptr<const SessionParts>> parts = MakeParts(*config);
    if (!parts.ok()) {
      neighbours_->DropPrepared();
      return parts.status();
    }
    neighbours_->Take(*config);
    sessions_->Reconfigure(*std::move(parts));
    return absl::OkStatus();
  }

  bool IsReady() const override { return true; }
  std::string grpc_address() const override { return server_->address(); }

  // Frontends take their next questions to another replica as soon as their stream has ended.
  void Drain(absl::Time deadline) override {
    server_->SetServing(false);
    pool_.WaitUntilIdle(deadline);
    sessions_->EndStreams();
    server_->Shutdown(deadline);
    // A check that outlives the server still uses the service.
    pool_.WaitUntilIdle(absl::InfiniteFuture());
  }

 private:
  // Everything that a configuration says, ready to be asked; nothing is changed yet but what
  // Neighbours has prepared.
  absl::StatusOr<std::shared_ptr<const SessionParts>> MakeParts(const config::v1::Config& config) {
    auto site = std::make_shared<const Site>(config);
    TURNPIKE_ASSIGN_OR_RETURN(const Neighbours::Circle circle, neighbours_->Prepare(config, site));
    std::vector<AccountDirectory*> directories;
    std::vector<std::shared_ptr<const void>> owned = {circle.recent_logins, circle.sharing};
    for (const std::shared_ptr<PooledDirectory>& directory : circle.directories) {
      directories.push_back(directory.get());
      owned.push_back(directory);
    }
    TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const ConfigDirectory> directory,
                              ConfigDirectory::Create(config, directories));
    TURNPIKE_ASSIGN_OR_RETURN(
        gate_, GatewayGate::Create(config, *spool_, GatewayGate::Options(), gate_.get()));
    owned.push_back(gate_);
    return std::make_shared<const SessionParts>(
        SessionParts{.site = std::move(site),
                     .directory = std::move(directory),
                     .hostname = config.hostname(),
                     .witnesses = {.recent_logins = circle.recent_logins.get(),
                                   .sharing = circle.sharing.get(),
                                   .directories = std::move(directories)},
                     .recipient_gate = gate_.get(),
                     .owned = std::move(owned),
                     .screen = &neighbours_->screen(),
                     .pool = pool_,
                     .metrics = metrics_,
                     .clock = base::Clock::System(),
                     .lookup_timeout = absl::Seconds(config.smtp().policy_timeout().seconds()) +
                                       absl::Nanoseconds(config.smtp().policy_timeout().nanos())});
  }

  Metrics metrics_;
  WorkPool pool_;
  std::unique_ptr<spool::Spool> spool_;  // only asked about gateways that have a quota
  std::shared_ptr<GatewayGate> gate_;    // of the newest parts
  std::optional<base::Disposer> disposer_{std::in_place};
  std::unique_ptr<Neighbours> neighbours_;
  std::shared_ptr<CurrentParts> parts_;
  std::unique_ptr<Explainer> explainer_;
  std::unique_ptr<grpc::Service> admin_;
  std::unique_ptr<SessionService> sessions_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace
}  // namespace turnpike::auth

int main(int argc, char** argv) {
  return turnpike::process::ServiceMain(
      argc, argv, "auth-service",
      [](const turnpike::config::v1::Services& services)
          -> const turnpike::config::v1::ServiceEndpoint& { return services.auth_service(); },
      turnpike::auth::AuthService::Create);
}
