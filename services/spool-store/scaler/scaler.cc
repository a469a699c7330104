#include "services/spool-store/scaler/scaler.h"

#include <grpcpp/channel.h>

#include <utility>
#include <vector>

#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/scaler/rpc_shard_source.h"
#include "services/spool-store/scaler/scaler_service.h"
#include "services/spool-store/scaler/shard_totals.h"

namespace turnpike::spool {
namespace {

std::vector<std::unique_ptr<ShardSource>> SourcesOf(const config::v1::Config& config,
                                                    const rpc::Security* security) {
  std::vector<std::string> targets(config.spool().shards().begin(), config.spool().shards().end());
  if (targets.empty()) targets.push_back(config.services().spool_store().target());
  std::vector<std::unique_ptr<ShardSource>> sources;
  for (const std::string& target : targets) {
    sources.push_back(CreateRpcShardSource(target, rpc::CreateChannel(target, security)));
  }
  return sources;
}

class ScalerImpl : public Scaler {
 public:
  ScalerImpl(const config::v1::Config& config, const rpc::Security* security,
             prometheus::Registry& registry)
      : totals_(SourcesOf(config, security), ShardTotals::Options(), base::Clock::System()),
        service_(totals_, ScalerService::Options(), base::Clock::System(), registry) {}

  ~ScalerImpl() override {
    if (server_ != nullptr) Drain(absl::Now());
  }

  absl::Status Listen(const config::v1::Config& config, const rpc::Security* security) {
    TURNPIKE_ASSIGN_OR_RETURN(server_,
                              rpc::Server::Start({.listen = config.spool().scaler_listen(),
                                                  .reflection = config.services().reflection(),
                                                  .security = security},
                                                 {&service_}));
    TURNPIKE_LOG(kInfo, "autoscalers may ask", {{"address", server_->address()}});
    return absl::OkStatus();
  }

  const std::string& address() const override { return server_->address(); }

  void Drain(absl::Time deadline) override {
    service_.EndStreams();
    server_->Shutdown(deadline);
  }

 private:
  ShardTotals totals_;
  ScalerService service_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Scaler>> Scaler::Start(const config::v1::Config& config,
                                                      const rpc::Security* security,
                                                      prometheus::Registry& registry) {
  if (config.spool().scaler_listen().empty()) return nullptr;
  auto scaler = std::make_unique<ScalerImpl>(config, security, registry);
  TURNPIKE_RETURN_IF_ERROR(scaler->Listen(config, security));
  return scaler;
}

}  // namespace turnpike::spool
