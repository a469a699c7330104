// What a settlement makes of a delivery.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_SETTLEMENT_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_SETTLEMENT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/index_key.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

struct SettleEffect {
  bool is_done = false;            // no recipient is left: the delivery is no more
  records::DeliveryRecord record;  // otherwise: as it is from now on
  Position position;               // of `record`
  int64_t delivered = 0;           // recipients
  int64_t returned = 0;
};

// Applies the outcomes, then what the settlement says of the recipients that are left:
//   defer_until   DEFERRED, not before `now` (to the second, rounded up); an attempt is counted
//   park          PARKED; an attempt is counted
//   hold, unset   as before the lease; no attempt is counted
// Outcomes of recipients that are not left are ignored: a repeated settlement has them.
// `release_epoch`: of the queue. INVALID_ARGUMENT: an outcome without a disposition.
absl::StatusOr<SettleEffect> ApplySettlement(uint64_t delivery_id,
                                             const records::DeliveryRecord& record,
                                             const v1::Settlement& settlement,
                                             uint32_t release_epoch, absl::Time now);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_SETTLEMENT_H_
