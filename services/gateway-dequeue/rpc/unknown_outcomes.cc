#include "services/gateway-dequeue/rpc/unknown_outcomes.h"

#include <grpcpp/channel.h>

#include <utility>

#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/common/rpc/unary.h"

namespace turnpike::dequeue {
namespace {

constexpr int kPageSize = 1000;

class RpcUnknownOutcomes : public UnknownOutcomes {
 public:
  explicit RpcUnknownOutcomes(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(spool::v1::SpoolService::NewStub(channel)) {}

  void Count(const std::string& gateway, absl::Time deadline, Callback done) override {
    using Response = spool::v1::ListDeliveriesResponse;
    spool::v1::ListDeliveriesRequest request;
    request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
    request.mutable_queue()->set_name(gateway);
    request.set_outcome_unknown(true);
    request.set_page_size(kPageSize);
    rpc::CallUnary<spool::v1::ListDeliveriesRequest, Response>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->ListDeliveries(context, request, response, std::move(done));
        },
        [done = std::move(done)](absl::StatusOr<Response> response) mutable {
          if (!response.ok()) return done(response.status());
          int64_t count = 0;
          for (const spool::v1::Delivery& delivery : response->deliveries()) {
            if (delivery.outcome_unknown()) ++count;
          }
          done(count);
        });
  }

 private:
  const std::unique_ptr<spool::v1::SpoolService::Stub> stub_;
};

}  // namespace

std::unique_ptr<UnknownOutcomes> CreateRpcUnknownOutcomes(
    const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<RpcUnknownOutcomes>(channel);
}

}  // namespace turnpike::dequeue
