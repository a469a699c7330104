// Takes messages.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_

#include <memory>

#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

std::shared_ptr<Store::Upload> MakeUpload(Engine& engine);

// `upload` must be of MakeUpload, or null.
void SubmitEnqueue(Engine& engine, v1::NewMessage message,
                   const std::shared_ptr<Store::Upload>& upload, Store::EnqueueDone done);

// Deletes pieces of messages that were not committed when the store ended last.
absl::Status DropAbandonedUploads(Database& database);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_
