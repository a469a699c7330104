// turnpike.dequeue.v1.DequeueService with what operators ask about our own collections and
// requests. (DQ-52)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_SERVICE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_SERVICE_H_

#include "services/gateway-dequeue/collect/agenda.h"
#include "services/gateway-dequeue/rpc/dequeue_service.h"

namespace turnpike::dequeue {

// Thread-safe.
class CollectService : public DequeueService {
 public:
  // `parts` outlives the service.
  explicit CollectService(const Parts& parts) : DequeueService(parts) {}
  // Before the service serves. `agenda` outlives it.
  void SetAgenda(Agenda& agenda) { agenda_ = &agenda; }

  grpc::ServerUnaryReactor* ListCollections(grpc::CallbackServerContext* context,
                                            const v1::ListCollectionsRequest* request,
                                            v1::ListCollectionsResponse* response) override;
  grpc::ServerUnaryReactor* CollectNow(grpc::CallbackServerContext* context,
                                       const v1::CollectNowRequest* request,
                                       v1::CollectNowResponse* response) override;
  grpc::ServerUnaryReactor* ListRequests(grpc::CallbackServerContext* context,
                                         const v1::ListRequestsRequest* request,
                                         v1::ListRequestsResponse* response) override;
  grpc::ServerUnaryReactor* RequestNow(grpc::CallbackServerContext* context,
                                       const v1::RequestNowRequest* request,
                                       v1::RequestNowResponse* response) override;

 private:
  Agenda* agenda_ = nullptr;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_COLLECT_SERVICE_H_
