#include "services/spool-store/client/rpc_shared_state.h"

#include <grpcpp/channel.h>

#include <utility>

#include "protos/turnpike/spool/v1/shared_state.grpc.pb.h"
#include "services/common/rpc/unary.h"

namespace turnpike::spool {
namespace {

class RpcSharedState : public SharedState {
 public:
  explicit RpcSharedState(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::SharedStateService::NewStub(channel)) {}

  void Put(v1::PutEntryRequest request, absl::Time deadline,
           Callback<v1::PutEntryResponse> done) override {
    rpc::CallUnary<v1::PutEntryRequest, v1::PutEntryResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->PutEntry(context, request, response, std::move(done));
        },
        std::move(done));
  }
  void Get(v1::GetEntryRequest request, absl::Time deadline,
           Callback<v1::GetEntryResponse> done) override {
    rpc::CallUnary<v1::GetEntryRequest, v1::GetEntryResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->GetEntry(context, request, response, std::move(done));
        },
        std::move(done));
  }
  void Delete(v1::DeleteEntryRequest request, absl::Time deadline,
              Callback<v1::DeleteEntryResponse> done) override {
    rpc::CallUnary<v1::DeleteEntryRequest, v1::DeleteEntryResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->DeleteEntry(context, request, response, std::move(done));
        },
        std::move(done));
  }
  void List(v1::ListEntriesRequest request, absl::Time deadline,
            Callback<v1::ListEntriesResponse> done) override {
    rpc::CallUnary<v1::ListEntriesRequest, v1::ListEntriesResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->ListEntries(context, request, response, std::move(done));
        },
        std::move(done));
  }
  void Add(v1::AddToEntryRequest request, absl::Time deadline,
           Callback<v1::AddToEntryResponse> done) override {
    rpc::CallUnary<v1::AddToEntryRequest, v1::AddToEntryResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->AddToEntry(context, request, response, std::move(done));
        },
        std::move(done));
  }

 private:
  const std::unique_ptr<v1::SharedStateService::Stub> stub_;
};

}  // namespace

std::unique_ptr<SharedState> CreateRpcSharedState(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<RpcSharedState>(channel);
}

}  // namespace turnpike::spool
