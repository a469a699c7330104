// outbound-delivery: takes due mail under lease and hands it over by SMTP or LMTP.
#include <memory>
#include <string>
#include <utility>

#include "grpcpp/impl/codegen/service_type.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/server.h"
#include "services/outbound-delivery/engine.h"
#include "services/outbound-delivery/rpc/delivery_service.h"
#include "services/spool-store/client/stores.h"

namespace turnpike::delivery {
namespace {

// For calls that are still open when the worker is done.
constexpr absl::Duration kRpcShutdownTime = absl::Seconds(1);

class OutboundDelivery : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    auto service = std::make_unique<OutboundDelivery>();
    const spool::Stores stores = spool::ConnectToStores(config, environment.security);
    TURNPIKE_ASSIGN_OR_RETURN(service->engine_,
                              Engine::Create(config,
                                             {.spool = spool::CreateSpool(stores),
                                              .slots = spool::CreateSlots(stores),
                                              .shared_state = spool::CreateSharedState(stores)},
                                             *environment.registry));
    service->service_ = CreateDeliveryService(service->engine_->worker());
    TURNPIKE_ASSIGN_OR_RETURN(
        service->rpc_server_,
        rpc::Server::Start({.listen = config.services().outbound_delivery().listen(),
                            .reflection = config.services().reflection(),
                            .security = environment.security},
                           {service->service_.get()}));
    service->engine_->Start();
    service->rpc_server_->SetServing(true);
    return service;
  }

  ~OutboundDelivery() override {
    if (rpc_server_ != nullptr) rpc_server_->Shutdown(absl::Now() + kRpcShutdownTime);
  }

  bool IsReady() const override { return engine_->worker().is_connected(); }

  void Drain(absl::Time deadline) override {
    rpc_server_->SetServing(false);
    engine_->Drain(deadline);
  }

  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    return engine_->Reconfigure(*config);
  }

  std::string grpc_address() const override { return rpc_server_->address(); }

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<rpc::Server> rpc_server_;
};

}  // namespace
}  // namespace turnpike::delivery

int main(int argc, char** argv) {
  using turnpike::config::v1::ServiceEndpoint;
  using turnpike::config::v1::Services;
  const auto endpoint = [](const Services& services) -> const ServiceEndpoint& {
    return services.outbound_delivery();
  };
  return turnpike::process::ServiceMain(argc, argv, "outbound-delivery", endpoint,
                                        turnpike::delivery::OutboundDelivery::Create);
}
