// auth-service: credentials, SASL exchanges, and who may send what.
#include <sodium.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "prometheus/registry.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/rpc/metrics.h"
#include "services/auth-service/rpc/session_service.h"
#include "services/auth-service/rpc/work_pool.h"
#include "services/auth-service/store/config_directory.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/server.h"

namespace turnpike::auth {
namespace {

class AuthService : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    if (sodium_init() < 0) return absl::InternalError("libsodium does not work here");
    const config::v1::Config& config = *environment.config;
    TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const ConfigDirectory> directory,
                              ConfigDirectory::Create(config));
    auto service =
        std::make_unique<AuthService>(config, std::move(directory), *environment.registry);
    TURNPIKE_ASSIGN_OR_RETURN(
        service->server_, rpc::Server::Start({.listen = config.services().auth_service().listen(),
                                              .reflection = config.services().reflection()},
                                             {&service->sessions_}));
    return service;
  }

  AuthService(const config::v1::Config& config, std::shared_ptr<const ConfigDirectory> directory,
              prometheus::Registry& registry)
      : metrics_(registry),
        pool_({.threads = config.auth().password_checks_max()}),
        sessions_({.site = std::make_shared<Site>(config),
                   .directory = std::move(directory),
                   .hostname = config.hostname(),
                   .pool = pool_,
                   .metrics = metrics_,
                   .clock = base::Clock::System()}) {}

  bool IsReady() const override { return true; }
  std::string grpc_address() const override { return server_->address(); }

  // Frontends take their next questions to another replica as soon as their stream has ended.
  void Drain(absl::Time deadline) override {
    server_->SetServing(false);
    pool_.WaitUntilIdle(deadline);
    sessions_.EndStreams();
    server_->Shutdown(deadline);
    // A check that outlives the server still uses the service.
    pool_.WaitUntilIdle(absl::InfiniteFuture());
  }

 private:
  Metrics metrics_;
  WorkPool pool_;
  SessionService sessions_;
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
