// spool-store: every message that we have answered 250 for.
#include <unistd.h>

#include <array>
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
#include "services/spool-store/client/stores.h"
#include "services/spool-store/core/shard_number.h"
#include "services/spool-store/rpc/mover.h"
#include "services/spool-store/rpc/shard_peers.h"
#include "services/spool-store/rpc/shard_service.h"
#include "services/spool-store/rpc/shared_state_service.h"
#include "services/spool-store/rpc/slot_desk.h"
#include "services/spool-store/rpc/spool_service.h"
#include "services/spool-store/scaler/scaler.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"

namespace turnpike::spool {
namespace {

// Longer than clients take to find a store that has been started again, where its old address
// refuses them at once. One that swallows packets holds them up for a connect timeout
// (rpc/limits.h).
constexpr absl::Duration kSettleTime = absl::Seconds(3);

// Each stream gets its answers to what one write has made durable in one response.
void AnswerTogether(absl::FunctionRef<void()> answer) {
  rpc::SendBatch batch;
  answer();
}

// grpc.health.v1's name for taking new messages alone: what is leased is settled, and due mail
// handed out, while the disk is full.
constexpr char kEnqueueHealth[] = "turnpike.spool.v1.Enqueue";

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

RocksStore::Limits LimitsOf(const config::v1::Spool& spool) {
  return {.free_bytes_min = spool.free_bytes_min(),
          .lease_duration = absl::Seconds(spool.lease_duration().seconds()),
          .leases_per_queue_max = spool.leases_per_queue_max()};
}

class SpoolStore : public process::Service {
 public:
  static absl::StatusOr<std::unique_ptr<process::Service>> Create(
      const process::Environment& environment) {
    const config::v1::Config& config = *environment.config;
    const config::v1::Spool& spool = config.spool();
    TURNPIKE_ASSIGN_OR_RETURN(const uint32_t shard,
                              FindShardNumber(environment.shard, spool.shards_size(), HostName()));
    auto metrics = std::make_unique<Metrics>(environment.registry);
    const RocksStore::Limits limits = LimitsOf(spool);
    TURNPIKE_ASSIGN_OR_RETURN(std::unique_ptr<RocksStore> store,
                              RocksStore::Open({.directory = spool.directory(),
                                                .shard = shard,
                                                .free_bytes_min = limits.free_bytes_min,
                                                .lease_duration = limits.lease_duration,
                                                .leases_per_queue_max = limits.leases_per_queue_max,
                                                .shared_entries_max = spool.shared_entries_max(),
                                                .settle_time = kSettleTime,
                                                .around_answers = AnswerTogether},
                                               base::Clock::System(), *metrics));
    Stores shards;
    if (spool.shards_size() > 1) shards = ConnectToStores(config, environment.security);
    auto service = std::make_unique<SpoolStore>(std::move(metrics), std::move(store),
                                                ShardPeers(shard, shards));
    TURNPIKE_ASSIGN_OR_RETURN(
        service->server_,
        rpc::Server::Start(
            {.listen = config.services().spool_store().listen(),
             .reflection = config.services().reflection(),
             .security = environment.security},
            {&service->spool_service_, &service->shared_state_service_, &service->shard_service_}));
    service->store_->WatchAccepting([server = service->server_.get()](bool accepting) {
      server->SetServing(kEnqueueHealth, accepting);
    });
    TURNPIKE_ASSIGN_OR_RETURN(service->scaler_,
                              Scaler::Start(config, environment.security, *environment.registry));
    return service;
  }

  SpoolStore(std::unique_ptr<Metrics> metrics, std::unique_ptr<RocksStore> store, ShardPeers peers)
      : metrics_(std::move(metrics)),
        store_(std::move(store)),
        slots_(base::Clock::System(), *metrics_->slots_held, *metrics_->slots_waiting),
        mover_(store_->shard(), std::move(peers), Mover::Options()),
        spool_service_(*store_,
                       [this](const auto& request, absl::AnyInvocable<void(absl::Status)> done) {
                         mover_.AfterRelease(request, std::move(done));
                       }),
        shared_state_service_(store_->shared_state(), slots_),
        shard_service_(*store_, mover_) {}

  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    store_->SetLimits(LimitsOf(config->spool()));
    return absl::OkStatus();
  }
  bool IsReady() const override { return store_->IsHealthy(); }
  std::string grpc_address() const override { return server_->address(); }

  // Leases end with their streams; what is being stored is answered first. Clients repeat the rest
  // when the next process serves.
  void Drain(absl::Time deadline) override {
    server_->SetServing(false);
    if (scaler_ != nullptr) scaler_->Drain(deadline);
    store_->WatchAccepting(nullptr);
    server_->SetServing(kEnqueueHealth, false);
    mover_.Stop();
    store_->Drain();
    spool_service_.Drain();
    shared_state_service_.Drain();
    shard_service_.Drain();
    server_->Shutdown(deadline);
    store_->WaitIdle();  // none of its threads is in a call when the server goes
  }

 private:
  // In the order in which they depend on each other.
  const std::unique_ptr<Metrics> metrics_;
  const std::unique_ptr<RocksStore> store_;
  SlotDesk slots_;
  Mover mover_;
  SpoolService spool_service_;
  SharedStateService shared_state_service_;
  ShardService shard_service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Scaler> scaler_;  // null: nobody asks
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
