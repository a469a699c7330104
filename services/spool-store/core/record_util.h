// Between records on disk, positions in the index, and the messages of the contract.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_RECORD_UTIL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_RECORD_UTIL_H_

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);
google::protobuf::Timestamp ToTimestamp(absl::Time time);
google::protobuf::Timestamp MsToTimestamp(int64_t ms_since_epoch);

Position PositionOf(uint64_t delivery_id, const records::DeliveryRecord& record);
void SetPosition(const Position& position, records::DeliveryRecord& record);
DeliveryFacts FactsOf(const records::DeliveryRecord& record);

// The contract's view of a delivery.
// Its state is left out.
v1::Delivery ToDelivery(uint64_t delivery_id, const records::DeliveryRecord& record,
                        const records::MessageRecord& message);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_RECORD_UTIL_H_
