// spool-store: every message that we have answered 250 for.
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/process/service_main.h"
#include "services/common/rpc/send_batch.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/rpc/shared_state_service.h"
#include "services/spool-store/rpc/slot_desk.h"
#include "services/spool-store/rpc/spool_service.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"

namespace turnpike::spool {
namespace {

// Each stream gets its answers to what one write has made durable in one response.
void AnswerTogether(absl::FunctionRef<void()> answer) {
  rpc::SendBatch batch;
  answer();
}

class SpoolStore : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    const config::v1::Spool& spool = config.spool();
    auto metrics = std::make_unique<Metrics>(environment.registry);
    TURNPIKE_ASSIGN_OR_RETURN(
        std::unique_ptr<RocksStore> store,
        RocksStore::Open({.directory = spool.directory(),
                          .free_bytes_min = spool.free_bytes_min(),
                          .lease_duration = absl::Seconds(spool.lease_duration().seconds()),
                          .leases_per_queue_max = spool.leases_per_queue_max(),
                          .shared_entries_max = spool.shared_entries_max(),
                          .around_answers = AnswerTogether},
                         base::Clock::System(), *metrics));
    auto service = std::make_unique<SpoolStore>(std::move(metrics), std::move(store));
    TURNPIKE_ASSIGN_OR_RETURN(
        service->server_,
        rpc::Server::Start({.listen = config.services().spool_store().listen(),
                            .reflection = config.services().reflection(),
                            .security = environment.security},
                           {&service->spool_service_, &service->shared_state_service_}));
    return service;
  }

  SpoolStore(std::unique_ptr<Metrics> metrics, std::unique_ptr<RocksStore> store)
      : metrics_(std::move(metrics)),
        store_(std::move(store)),
        slots_(base::Clock::System(), *metrics_->slots_held, *metrics_->slots_waiting),
        spool_service_(*store_),
        shared_state_service_(store_->shared_state(), slots_) {}

  bool IsReady() const override { return store_->IsHealthy(); }
  std::string grpc_address() const override { return server_->address(); }

  // Leases end with their streams; what is being stored is answered first. Clients repeat the rest
  // when the next process serves.
  void Drain(absl::Time deadline) override {
    server_->SetServing(false);
    store_->Drain();
    spool_service_.Drain();
    shared_state_service_.Drain();
    server_->Shutdown(deadline);
    store_->WaitIdle();  // none of its threads is in a call when the server goes
  }

 private:
  // In the order in which they depend on each other.
  const std::unique_ptr<Metrics> metrics_;
  const std::unique_ptr<RocksStore> store_;
  SlotDesk slots_;
  SpoolService spool_service_;
  SharedStateService shared_state_service_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace
}  // namespace turnpike::spool

int main(int argc, char** argv) {
  return turnpike::process::ServiceMain(
      argc, argv, "spool-store",
      [](const turnpike::config::v1::Services& services)
          -> const turnpike::config::v1::ServiceEndpoint& { return services.spool_store(); },
      turnpike::spool::SpoolStore::Create);
}
