// Deliveries as an operator sees them. These read the disk: call them on the pool.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_BROWSE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_BROWSE_H_

#include "absl/status/statusor.h"
#include "services/spool-store/storage/engine.h"
#include "services/spool-store/storage/lease_desk.h"

namespace turnpike::spool {

// A page may be shorter than asked for, or empty, and have a next one: a look at so many deliveries
// is the limit when few of them are in the wanted state.
absl::StatusOr<v1::ListDeliveriesResponse> ListDeliveries(Engine& engine, const LeaseDesk& desk,
                                                          const v1::ListDeliveriesRequest& request);
absl::StatusOr<v1::GetDeliveryResponse> GetDelivery(Engine& engine, const LeaseDesk& desk,
                                                    const v1::GetDeliveryRequest& request);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_BROWSE_H_
