// Takes messages.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_

#include <memory>

#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// `upload` must be of MakeUpload, or null. A message that is known already is STORED, whatever else
// would refuse it now.
void SubmitEnqueue(Engine& engine, v1::NewMessage message,
                   const std::shared_ptr<Store::Upload>& upload, Store::EnqueueDone done);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENQUEUE_H_
