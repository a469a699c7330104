#include "services/gateway-dequeue/rpc/unknown_outcomes.h"

#include <grpcpp/channel.h>

#include <cstddef>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/common/rpc/unary.h"

namespace turnpike::dequeue {
namespace {

constexpr int kPageSize = 1000;

// What the stores have said so far.
class Sum {
 public:
  Sum(size_t stores, UnknownOutcomes::Callback done) : done_(std::move(done)), left_(stores) {}

  void Add(const absl::StatusOr<spool::v1::ListDeliveriesResponse>& response) {
    {
      absl::MutexLock lock(&mu_);
      if (response.ok()) {
        is_any_ = true;
        for (const spool::v1::Delivery& delivery : response->deliveries()) {
          if (delivery.outcome_unknown()) ++count_;
        }
      }
      if (--left_ > 0) return;
    }
    // The last one; nobody else comes.
    if (is_any_) return std::move(done_)(count_);
    std::move(done_)(response.status());
  }

 private:
  UnknownOutcomes::Callback done_;
  absl::Mutex mu_;
  size_t left_;
  bool is_any_ = false;
  int64_t count_ = 0;
};

class RpcUnknownOutcomes : public UnknownOutcomes {
 public:
  explicit RpcUnknownOutcomes(const std::vector<std::shared_ptr<grpc::Channel>>& stores) {
    for (const auto& channel : stores) {
      stubs_.push_back(spool::v1::SpoolService::NewStub(channel));
    }
  }

  void Count(const std::string& gateway, absl::Time deadline, Callback done) override {
    using Response = spool::v1::ListDeliveriesResponse;
    spool::v1::ListDeliveriesRequest request;
    request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
    request.mutable_queue()->set_name(gateway);
    request.set_outcome_unknown(true);
    request.set_page_size(kPageSize);
    auto sum = std::make_shared<Sum>(stubs_.size(), std::move(done));
    for (const auto& stub : stubs_) {
      rpc::CallUnary<spool::v1::ListDeliveriesRequest, Response>(
          request, deadline,
          [&stub](auto* context, auto* request, auto* response, auto done) {
            stub->async()->ListDeliveries(context, request, response, std::move(done));
          },
          [sum](const absl::StatusOr<Response>& response) { sum->Add(response); });
    }
  }

 private:
  std::vector<std::unique_ptr<spool::v1::SpoolService::Stub>> stubs_;
};

}  // namespace

std::unique_ptr<UnknownOutcomes> CreateRpcUnknownOutcomes(
    const std::vector<std::shared_ptr<grpc::Channel>>& stores) {
  return std::make_unique<RpcUnknownOutcomes>(stores);
}

}  // namespace turnpike::dequeue
