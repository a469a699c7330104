// Content that comes in pieces, before its message.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_UPLOAD_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_UPLOAD_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

std::shared_ptr<Store::Upload> MakeUpload(Engine& engine);

// What an upload has so far. Confined to the committer's thread.
struct UploadState;
// Null without an upload, which must be of MakeUpload.
std::shared_ptr<UploadState> StateOf(const std::shared_ptr<Store::Upload>& upload);

// Deletes what was sent for a message, if anything was. `upload` may be null.
void BuildDropPieces(CommitContext& context, UploadState* upload, const std::string& message_id);

struct TakenPieces {
  uint64_t upload = 0;  // in the keys of the pieces
  int32_t count = 0;
  uint64_t hash = 0;
};
// The pieces that were sent for a message become its content. NOT_FOUND: they are not all there;
// DATA_LOSS: they do not match `expected_hash` (0: any). They are dropped then. `upload` may be
// null.
absl::StatusOr<TakenPieces> TakePieces(CommitContext& context, UploadState* upload,
                                       const std::string& message_id, int64_t content_bytes,
                                       uint64_t expected_hash);

// Deletes pieces of messages that were not committed when the store ended last.
absl::Status DropAbandonedUploads(Database& database);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_UPLOAD_H_
