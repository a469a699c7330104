// gateway-dequeue over gRPC.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_RPC_DEQUEUE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_RPC_DEQUEUE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "services/gateway-dequeue/client/dequeue.h"

namespace grpc {
class Channel;
}

namespace turnpike::dequeue {

// Thread-safe. Callbacks run on gRPC's threads, never inside the calls; they must not block.
// Sessions may outlive this.
class RpcDequeue : public Dequeue {
 public:
  struct Options {
    // For the first response to an ATRN; after that the stream is closed with DEADLINE_EXCEEDED.
    absl::Duration begin_timeout = absl::Seconds(10);
  };

  RpcDequeue(std::shared_ptr<grpc::Channel> channel, const Options& options);
  explicit RpcDequeue(std::shared_ptr<grpc::Channel> channel);
  ~RpcDequeue() override;

  // Options::begin_timeout of what is asked from now on.
  void SetBeginTimeout(absl::Duration timeout);

  void RequestEtrn(v1::RequestEtrnRequest request, absl::Time deadline,
                   absl::AnyInvocable<void(absl::StatusOr<v1::RequestEtrnResponse>)> done) override;
  std::unique_ptr<AtrnSession> RunAtrn(v1::AtrnBegin begin,
                                       std::shared_ptr<AtrnSession::Handler> handler) override;

 private:
  struct Stub;
  class Session;
  std::atomic<int64_t> begin_timeout_nanos_;
  const std::shared_ptr<Stub> stub_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_RPC_DEQUEUE_H_
