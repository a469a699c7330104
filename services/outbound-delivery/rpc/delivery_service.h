// turnpike.delivery.v1.DeliveryService over a worker.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_

#include <memory>

#include "services/outbound-delivery/transport/worker.h"

namespace grpc {
class Service;
}

namespace turnpike::delivery {

// `worker` outlives the service.
std::unique_ptr<grpc::Service> CreateDeliveryService(const Worker& worker);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_
