// turnpike.delivery.v1.DeliveryService over a worker.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_

#include <memory>

#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/transport/worker.h"

namespace grpc {
class Service;
}

namespace turnpike::delivery {

// What it shows outlives the service.
std::unique_ptr<grpc::Service> CreateDeliveryService(const Worker& worker, const RouteTable& routes,
                                                     Resolver& resolver);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RPC_DELIVERY_SERVICE_H_
