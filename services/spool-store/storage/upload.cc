#include "services/spool-store/storage/upload.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/storage/message_writer.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kPendingPrefix = "pending/";
constexpr size_t kMessageIdBytes = 16;
constexpr size_t kChunkBytesMax = 256 * 1024;

// What the keys of an upload's pieces begin with follows the prefix.
std::string PendingKey(absl::string_view message_id, uint64_t upload) {
  std::string key = absl::StrCat(kPendingPrefix, message_id);
  AppendBigEndian64(upload, key);
  return key;
}

// The pieces of one message so far.
struct Pieces {
  uint64_t upload = 0;
  int64_t bytes = 0;
  int32_t count = 0;
  ContentHasher hasher;
  bool is_broken = false;  // a piece did not fit, or could not be written
};

}  // namespace

// Changed on the committer's thread only.
struct UploadState {
  absl::flat_hash_map<std::string, std::unique_ptr<Pieces>> messages;
};

namespace {

void BuildDrop(CommitContext& context, const std::string& id, const Pieces& pieces) {
  Database& database = context.database();
  for (int32_t i = 0; i < pieces.count; ++i) {
    context.batch().Delete(database.content(), ChunkKey(id, pieces.upload, i));
  }
  context.batch().Delete(database.meta(), PendingKey(id, pieces.upload));
}

class AppendOperation : public Operation {
 public:
  AppendOperation(const Engine& engine, std::shared_ptr<UploadState> state, v1::ContentChunk chunk,
                  absl::AnyInvocable<void()> done)
      : engine_(engine),
        state_(std::move(state)),
        chunk_(std::move(chunk)),
        done_(std::move(done)) {}

  void Build(CommitContext& context) override {
    std::unique_ptr<Pieces>& slot = state_->messages[chunk_.message_id()];
    if (slot != nullptr && chunk_.offset() == 0) {  // begun anew
      BuildDrop(context, chunk_.message_id(), *slot);
      slot = nullptr;
    }
    if (slot == nullptr) {
      slot = std::make_unique<Pieces>();
      slot->upload = context.NextDeliveryId();
    }
    Pieces& pieces = *slot;
    if (!engine_.accepting || chunk_.offset() != pieces.bytes || chunk_.data().empty() ||
        chunk_.data().size() > kChunkBytesMax || chunk_.message_id().size() != kMessageIdBytes) {
      pieces.is_broken = true;
    }
    if (pieces.is_broken) return;
    Database& database = context.database();
    if (pieces.count == 0) {
      context.batch().Put(database.meta(), PendingKey(chunk_.message_id(), pieces.upload), "1");
    }
    context.batch().Put(database.content(),
                        ChunkKey(chunk_.message_id(), pieces.upload, pieces.count), chunk_.data());
    ++pieces.count;
    pieces.bytes += static_cast<int64_t>(chunk_.data().size());
    pieces.hasher.Update(chunk_.data());
  }

  void Apply(bool written) override {
    if (written) return;
    auto found = state_->messages.find(chunk_.message_id());
    if (found != state_->messages.end()) found->second->is_broken = true;
  }
  void Answer() override { std::move(done_)(); }
  // The commit of the message syncs the pieces too.
  bool needs_sync() const override { return false; }

 private:
  const Engine& engine_;
  const std::shared_ptr<UploadState> state_;
  const v1::ContentChunk chunk_;
  absl::AnyInvocable<void()> done_;
};

// Drops one message's pieces, or all that are left.
class DropOperation : public Operation {
 public:
  DropOperation(std::shared_ptr<UploadState> state, std::optional<std::string> message_id)
      : state_(std::move(state)), message_id_(std::move(message_id)) {}

  void Build(CommitContext& context) override {
    if (!message_id_.has_value()) {
      for (const auto& [id, pieces] : state_->messages) BuildDrop(context, id, *pieces);
      state_->messages.clear();
      return;
    }
    BuildDropPieces(context, state_.get(), *message_id_);
  }
  void Apply(bool) override {}
  void Answer() override {}
  bool needs_sync() const override { return false; }

 private:
  const std::shared_ptr<UploadState> state_;
  const std::optional<std::string> message_id_;
};

class RocksUpload : public Store::Upload {
 public:
  explicit RocksUpload(Engine& engine) : engine_(engine) {}
  ~RocksUpload() override {
    engine_.committer.Submit(std::make_unique<DropOperation>(state_, std::nullopt));
  }

  void Append(v1::ContentChunk chunk, absl::AnyInvocable<void()> done) override {
    engine_.committer.Submit(
        std::make_unique<AppendOperation>(engine_, state_, std::move(chunk), std::move(done)));
  }
  void Abort(absl::string_view message_id) override {
    engine_.committer.Submit(std::make_unique<DropOperation>(state_, std::string(message_id)));
  }

  const std::shared_ptr<UploadState>& state() const { return state_; }

 private:
  Engine& engine_;
  const std::shared_ptr<UploadState> state_ = std::make_shared<UploadState>();
};

}  // namespace

std::shared_ptr<Store::Upload> MakeUpload(Engine& engine) {
  return std::make_shared<RocksUpload>(engine);
}

std::shared_ptr<UploadState> StateOf(const std::shared_ptr<Store::Upload>& upload) {
  return upload == nullptr ? nullptr : static_cast<RocksUpload&>(*upload).state();
}

void BuildDropPieces(CommitContext& context, UploadState* upload, const std::string& message_id) {
  if (upload == nullptr) return;
  auto found = upload->messages.find(message_id);
  if (found == upload->messages.end()) return;
  BuildDrop(context, message_id, *found->second);
  upload->messages.erase(found);
}

absl::StatusOr<TakenPieces> TakePieces(CommitContext& context, UploadState* upload,
                                       const std::string& message_id, int64_t content_bytes,
                                       uint64_t expected_hash) {
  std::unique_ptr<Pieces> pieces;
  if (upload != nullptr) {
    auto found = upload->messages.find(message_id);
    if (found != upload->messages.end()) {
      pieces = std::move(found->second);
      upload->messages.erase(found);
    }
  }
  if (pieces == nullptr || pieces->is_broken || pieces->bytes != content_bytes) {
    if (pieces != nullptr) BuildDrop(context, message_id, *pieces);
    return absl::NotFoundError("content is missing or incomplete");
  }
  const uint64_t hash = pieces->hasher.Digest();
  if (expected_hash != 0 && expected_hash != hash) {
    BuildDrop(context, message_id, *pieces);
    return absl::DataLossError("content does not match its checksum");
  }
  context.batch().Delete(context.database().meta(), PendingKey(message_id, pieces->upload));
  return TakenPieces{.upload = pieces->upload, .count = pieces->count, .hash = hash};
}

absl::Status DropAbandonedUploads(Database& database) {
  rocksdb::WriteBatch batch;
  auto pending = std::unique_ptr<rocksdb::Iterator>(
      database.db().NewIterator(rocksdb::ReadOptions(), database.meta()));
  for (pending->Seek(ToSlice(kPendingPrefix));
       pending->Valid() && pending->key().starts_with(ToSlice(kPendingPrefix)); pending->Next()) {
    const std::string prefix = pending->key().ToString().substr(kPendingPrefix.size());
    auto pieces = std::unique_ptr<rocksdb::Iterator>(
        database.db().NewIterator(rocksdb::ReadOptions(), database.content()));
    for (pieces->Seek(prefix); pieces->Valid() && pieces->key().starts_with(prefix);
         pieces->Next()) {
      batch.Delete(database.content(), pieces->key());
    }
    TURNPIKE_RETURN_IF_ERROR(FromRocks(pieces->status()));
    batch.Delete(database.meta(), pending->key());
  }
  TURNPIKE_RETURN_IF_ERROR(FromRocks(pending->status()));
  if (batch.Count() == 0) return absl::OkStatus();
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return FromRocks(database.db().Write(sync, &batch));
}

}  // namespace turnpike::spool
