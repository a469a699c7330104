// A delivery on its way from one shard to another (PL-27): between records and the contract.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_MOVED_DELIVERY_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_MOVED_DELIVERY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

// All but the content. `state` is what the delivery is while nobody leases it; `queue` its queue's
// record, empty without one.
v1::MovedDelivery MakeMoved(uint64_t number, const records::DeliveryRecord& delivery,
                            const records::MessageRecord& message, v1::DeliveryState state,
                            const records::QueueRecord& queue);

struct MovedRecords {
  records::MessageRecord message;    // without what is about pieces of content
  records::DeliveryRecord delivery;  // likewise, and without its position
};
// INVALID_ARGUMENT, saying what is wrong. DATA_LOSS: inline content does not match its checksum.
// The content stays in `moved`.
absl::StatusOr<MovedRecords> MakeRecords(v1::MovedDelivery& moved);

// Where the delivery will stand in its queue. `release_epoch`: of the queue, here.
Position PlaceMoved(uint64_t delivery_id, v1::DeliveryState state, int64_t due_second,
                    uint32_t release_epoch);

// Whether the queue's last release at the source is later than the last one here, which `queue` is
// changed by: the route. What was released there is READY here; no mark is needed.
bool TakeOverRelease(const v1::MovedDelivery& moved, records::QueueRecord& queue);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_MOVED_DELIVERY_H_
