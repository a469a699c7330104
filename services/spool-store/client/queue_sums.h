// Figures of a queue that several stores have parts of.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_SUMS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_SUMS_H_

#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// Adds one store's figures to the sum: counts are added, the oldest and the next times count, the
// route and the time of the last release are those of the later one.
void AddStats(const v1::QueueStats& stats, v1::QueueStats* sum);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_SUMS_H_
