// smtp-frontend: every SMTP conversation that others open to us, and the reversed half of ATRN.
#include <memory>
#include <string>
#include <utility>

#include "grpcpp/impl/codegen/service_type.h"
#include "services/auth-service/client/screening_policy.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/gateway-dequeue/client/rpc_dequeue.h"
#include "services/smtp-frontend/listener/server.h"
#include "services/smtp-frontend/rpc/frontend_service.h"
#include "services/spool-store/client/stores.h"

namespace turnpike::frontend {
namespace {

// For calls that are still open when the sessions are over.
constexpr absl::Duration kRpcShutdownTime = absl::Seconds(1);

absl::Duration PolicyTimeout(const config::v1::Config& config) {
  return absl::Seconds(config.smtp().policy_timeout().seconds()) +
         absl::Nanoseconds(config.smtp().policy_timeout().nanos());
}

// `*dequeue_client` is one of the clients.
Server::Clients ConnectTo(const config::v1::Config& config, const rpc::Security* security,
                          dequeue::RpcDequeue** dequeue_client) {
  const config::v1::Services& services = config.services();
  Server::Clients clients;
  clients.spool = spool::CreateSpool(spool::ConnectToStores(config, security));
  auto dequeue = std::make_unique<dequeue::RpcDequeue>(
      rpc::CreateChannel(services.gateway_dequeue().target(), security),
      dequeue::RpcDequeue::Options{.begin_timeout = PolicyTimeout(config)});
  *dequeue_client = dequeue.get();
  clients.dequeue = std::move(dequeue);
  // A stream of its own for each thread.
  clients.make_policy = [target = services.auth_service().target(), security] {
    return auth::CreateFrontendPolicy(rpc::CreateChannel(target, security), base::Clock::System());
  };
  return clients;
}

class SmtpFrontend : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    auto frontend = std::make_unique<SmtpFrontend>();
    TURNPIKE_ASSIGN_OR_RETURN(
        frontend->server_,
        Server::Start(config, ConnectTo(config, environment.security, &frontend->dequeue_),
                      *environment.registry));
    frontend->service_ = CreateFrontendService(*frontend->server_);
    TURNPIKE_ASSIGN_OR_RETURN(
        frontend->rpc_server_,
        rpc::Server::Start({.listen = config.services().smtp_frontend().listen(),
                            .reflection = config.services().reflection(),
                            .security = environment.security},
                           {frontend->service_.get()}));
    frontend->rpc_server_->SetServing(true);
    return frontend;
  }

  ~SmtpFrontend() override {
    if (rpc_server_ != nullptr) rpc_server_->Shutdown(absl::Now() + kRpcShutdownTime);
  }

  bool IsReady() const override { return !server_->is_draining(); }

  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    TURNPIKE_RETURN_IF_ERROR(server_->Reconfigure(*config));
    dequeue_->SetBeginTimeout(PolicyTimeout(*config));
    return absl::OkStatus();
  }

  void Drain(absl::Time deadline) override {
    rpc_server_->SetServing(false);
    server_->Drain(deadline);
  }

  std::string grpc_address() const override { return rpc_server_->address(); }

 private:
  dequeue::RpcDequeue* dequeue_ = nullptr;  // the server's
  std::unique_ptr<Server> server_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<rpc::Server> rpc_server_;
};

}  // namespace
}  // namespace turnpike::frontend

int main(int argc, char** argv) {
  using turnpike::config::v1::ServiceEndpoint;
  using turnpike::config::v1::Services;
  const auto endpoint = [](const Services& services) -> const ServiceEndpoint& {
    return services.smtp_frontend();
  };
  return turnpike::process::ServiceMain(argc, argv, "smtp-frontend", endpoint,
                                        turnpike::frontend::SmtpFrontend::Create);
}
