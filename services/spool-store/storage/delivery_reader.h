// Reads what a worker needs of a delivery.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DELIVERY_READER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DELIVERY_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/records.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/worker_pool.h"

namespace turnpike::spool {

// NOT_FOUND; DATA_LOSS when it is damaged; UNAVAILABLE.
absl::StatusOr<std::shared_ptr<records::DeliveryRecord>> ReadDelivery(Database& database,
                                                                      uint64_t delivery_id);
absl::StatusOr<records::MessageRecord> ReadMessage(Database& database,
                                                   absl::string_view message_id);

// Fills all of `leased` but its token, `held`, and the route when that is the queue's; with the
// content when that is in one piece, after comparing it with its checksum. DATA_LOSS when the
// message or its content is damaged or gone.
absl::Status ReadLeased(Database& database, const records::DeliveryRecord& record,
                        v1::LeasedDelivery& leased);

// Reads on `pool`. Both must outlive the reader and its reads.
std::unique_ptr<Store::ContentReader> MakeContentReader(Database& database, WorkerPool& pool,
                                                        absl::string_view message_id);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DELIVERY_READER_H_
