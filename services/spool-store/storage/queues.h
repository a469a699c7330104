// Queues: their figures, and their release.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUES_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUES_H_

#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

void SubmitRelease(Engine& engine, v1::ReleaseQueueRequest request,
                   Store::Done<v1::ReleaseQueueResponse> done);

absl::StatusOr<v1::ListQueuesResponse> ListQueues(Engine& engine,
                                                  const v1::ListQueuesRequest& request);
absl::StatusOr<v1::GetQueueResponse> GetQueue(Engine& engine, const v1::GetQueueRequest& request);

// Fills the schedule from the disk: queue records, then one scan of the index. Before anything else
// uses the engine.
absl::Status LoadQueues(Engine& engine);

// Sets the figures of deliveries. Takes the lock for a thousand queues at a time.
void MeasureQueues(Engine& engine);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_QUEUES_H_
