// turnpike.spool.v1.SpoolService over a Store.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SPOOL_SERVICE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SPOOL_SERVICE_H_

#include <functional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/rpc/drainable.h"

namespace turnpike::spool {

// Thread-safe.
class SpoolService : public v1::SpoolService::CallbackService {
 public:
  // Called when a queue was released here, before that is answered; calls its argument when the
  // answer may go out.
  using AfterRelease =
      std::function<void(const v1::ReleaseQueueRequest&, absl::AnyInvocable<void(absl::Status)>)>;

  // `store` must outlive the service's calls. `after_release` may be empty.
  explicit SpoolService(Store& store, AfterRelease after_release = nullptr)
      : store_(store), after_release_(std::move(after_release)) {}

  // Ends all streams: what is in progress is answered, then UNAVAILABLE; those that read content
  // are cancelled, since their clients may be slow. Later ones end at once.
  void Drain() { drain_list_.DrainAll(); }

  grpc::ServerBidiReactor<v1::EnqueueRequest, v1::EnqueueResponse>* Enqueue(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::LeaseRequest, v1::LeaseResponse>* Lease(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::SettleRequest, v1::SettleResponse>* Settle(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::ReadContentResponse>* ReadContent(
      grpc::CallbackServerContext* context, const v1::ReadContentRequest* request) override;
  grpc::ServerUnaryReactor* ReleaseQueue(grpc::CallbackServerContext* context,
                                         const v1::ReleaseQueueRequest* request,
                                         v1::ReleaseQueueResponse* response) override;
  grpc::ServerUnaryReactor* ListQueues(grpc::CallbackServerContext* context,
                                       const v1::ListQueuesRequest* request,
                                       v1::ListQueuesResponse* response) override;
  grpc::ServerUnaryReactor* GetQueue(grpc::CallbackServerContext* context,
                                     const v1::GetQueueRequest* request,
                                     v1::GetQueueResponse* response) override;
  grpc::ServerUnaryReactor* ListDeliveries(grpc::CallbackServerContext* context,
                                           const v1::ListDeliveriesRequest* request,
                                           v1::ListDeliveriesResponse* response) override;
  grpc::ServerUnaryReactor* GetDelivery(grpc::CallbackServerContext* context,
                                        const v1::GetDeliveryRequest* request,
                                        v1::GetDeliveryResponse* response) override;
  grpc::ServerUnaryReactor* UpdateDelivery(grpc::CallbackServerContext* context,
                                           const v1::UpdateDeliveryRequest* request,
                                           v1::UpdateDeliveryResponse* response) override;

 private:
  Store& store_;
  const AfterRelease after_release_;
  DrainList drain_list_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SPOOL_SERVICE_H_
