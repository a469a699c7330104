#include "services/spool-store/scaler/rpc_shard_source.h"

#include <grpcpp/channel.h>

#include <utility>

#include "protos/turnpike/spool/v1/shard.grpc.pb.h"
#include "services/common/rpc/unary.h"

namespace turnpike::spool {
namespace {

class RpcShardSource : public ShardSource {
 public:
  RpcShardSource(std::string name, std::shared_ptr<grpc::Channel> channel)
      : name_(std::move(name)), stub_(v1::ShardService::NewStub(std::move(channel))) {}

  void Ask(absl::Time deadline, Done done) override {
    rpc::CallUnary<v1::GetShardRequest, v1::GetShardResponse>(
        v1::GetShardRequest(), deadline,
        [stub = stub_](auto* context, auto* request, auto* response, auto done) {
          stub->async()->GetShard(context, request, response, std::move(done));
        },
        [done = std::move(done)](absl::StatusOr<v1::GetShardResponse> response) mutable {
          if (response.ok()) {
            done(std::move(*response->mutable_shard()));
          } else {
            done(response.status());
          }
        });
  }

  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
  const std::shared_ptr<v1::ShardService::Stub> stub_;
};

}  // namespace

std::unique_ptr<ShardSource> CreateRpcShardSource(std::string name,
                                                  std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<RpcShardSource>(std::move(name), std::move(channel));
}

}  // namespace turnpike::spool
