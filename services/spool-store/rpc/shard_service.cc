#include "services/spool-store/rpc/shard_service.h"

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <utility>

#include "services/common/rpc/status.h"
#include "services/spool-store/rpc/answering_call.h"

namespace turnpike::spool {
namespace {

using MoveInCall = AnsweringCall<v1::MoveInRequest, v1::MoveInResponse>;

void TakeMoves(MoveIn& in, MoveIn::Call& moves, MoveInCall& call, v1::MoveInRequest& request) {
  std::shared_ptr<MoveInCall> self = call.shared_from_this();
  for (v1::MoveInItem& item : *request.mutable_items()) {
    const size_t bytes = item.ByteSizeLong();
    if (item.has_chunk()) {
      call.Begin(bytes);
      moves.Append(std::move(*item.mutable_chunk()), [self, bytes] { self->End(bytes, nullptr); });
    } else if (item.has_delivery()) {
      call.Begin(bytes);
      moves.Move(request.source_id(), std::move(*item.mutable_delivery()),
                 [self, bytes](v1::MoveResult result) {
                   self->End(bytes, [&](v1::MoveInResponse& response) {
                     response.add_results()->Swap(&result);
                   });
                 });
    }
  }
  if (request.forget_below() == 0) return;
  call.Begin(0);
  in.Forget(request.source_id(), request.forget_below(), [self](absl::StatusOr<uint64_t> below) {
    self->End(0, [&](v1::MoveInResponse& response) {
      if (below.ok() && *below > response.forgotten_below()) response.set_forgotten_below(*below);
    });
  });
}

}  // namespace

v1::Shard ShardService::Describe() const {
  v1::Shard shard = store_.shard().Describe();
  shard.set_accepting(store_.IsAccepting());
  shard.set_drain_error(mover_.error());
  return shard;
}

grpc::ServerUnaryReactor* ShardService::GetShard(grpc::CallbackServerContext* context,
                                                 const v1::GetShardRequest* /*request*/,
                                                 v1::GetShardResponse* response) {
  *response->mutable_shard() = Describe();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ShardService::SetDraining(grpc::CallbackServerContext* context,
                                                    const v1::SetDrainingRequest* request,
                                                    v1::SetDrainingResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  mover_.SetDraining(request->draining(), [this, reactor, response](const auto& shard) {
    if (shard.ok()) *response->mutable_shard() = Describe();
    reactor->Finish(rpc::ToGrpc(shard.status()));
  });
  return reactor;
}

grpc::ServerBidiReactor<v1::MoveInRequest, v1::MoveInResponse>* ShardService::MoveIn(
    grpc::CallbackServerContext* /*context*/) {
  spool::MoveIn& in = store_.shard().in();
  return MoveInCall::Start(
      [&in, moves = in.Open()](MoveInCall& call, v1::MoveInRequest& request) {
        TakeMoves(in, *moves, call, request);
      },
      nullptr, drain_list_);
}

}  // namespace turnpike::spool
