// Changes to one delivery that are not a worker's: an operator's, and setting damaged mail aside.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_CHANGE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_CHANGE_H_

#include <memory>

#include "services/spool-store/core/records.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

void SubmitUpdate(Engine& engine, v1::UpdateDeliveryRequest request,
                  Store::Done<v1::UpdateDeliveryResponse> done);

// Parks a delivery that is damaged. Its lease must be of nobody and marked as settling.
void SubmitPark(Engine& engine, uint64_t delivery_id,
                std::shared_ptr<const records::DeliveryRecord> record);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_CHANGE_H_
