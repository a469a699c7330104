#include "services/spool-store/storage/enqueue.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

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

// Changed on the committer's thread only.
struct UploadState {
  absl::flat_hash_map<std::string, std::unique_ptr<Pieces>> messages;
};

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
    auto found = state_->messages.find(*message_id_);
    if (found == state_->messages.end()) return;
    BuildDrop(context, *message_id_, *found->second);
    state_->messages.erase(found);
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

class EnqueueOperation : public Operation {
 public:
  EnqueueOperation(Engine& engine, PreparedMessage message, std::shared_ptr<UploadState> upload,
                   Store::EnqueueDone done)
      : engine_(engine),
        message_(std::move(message)),
        upload_(std::move(upload)),
        done_(std::move(done)) {
    result_.set_message_id(message_.id());
  }

  void Build(CommitContext& context) override {
    const absl::StatusOr<bool> known = PreparedMessage::IsKnown(context, message_.id());
    if (!known.ok()) return Refuse(v1::ENQUEUE_OUTCOME_FAILED, known.status().message());
    if (*known) {
      engine_.metrics.repeated->Increment();
      result_.set_outcome(v1::ENQUEUE_OUTCOME_STORED);
      if (upload_ != nullptr) DropOperation(upload_, message_.id()).Build(context);
      return;
    }
    if (message_.is_chunked() && !TakePieces(context)) return;
    message_.Build(context);
    is_built_ = true;
  }

  void Apply(bool written) override {
    if (result_.outcome() == v1::ENQUEUE_OUTCOME_STORED) {
      // Found, maybe in this very batch: it is as durable as that.
      if (!written) Refuse(v1::ENQUEUE_OUTCOME_FAILED, "the spool cannot be written");
      return;
    }
    if (!is_built_) return;
    if (!written) return Refuse(v1::ENQUEUE_OUTCOME_FAILED, "the spool cannot be written");
    result_.set_outcome(v1::ENQUEUE_OUTCOME_STORED);
    message_.Apply(engine_.schedule, engine_.metrics);
  }

  void Answer() override { std::move(done_)(std::move(result_)); }

 private:
  void Refuse(v1::EnqueueOutcome outcome, absl::string_view detail) {
    result_.set_outcome(outcome);
    result_.set_detail(std::string(detail));
    const bool invalid = outcome == v1::ENQUEUE_OUTCOME_INVALID;
    engine_.metrics.refused[invalid ? Metrics::kInvalid : Metrics::kFailed]->Increment();
  }

  // The pieces that were sent become the message's content.
  bool TakePieces(CommitContext& context) {
    std::unique_ptr<Pieces> pieces;
    if (upload_ != nullptr) {
      auto found = upload_->messages.find(message_.id());
      if (found != upload_->messages.end()) {
        pieces = std::move(found->second);
        upload_->messages.erase(found);
      }
    }
    if (pieces == nullptr || pieces->is_broken || pieces->bytes != message_.content_bytes()) {
      if (pieces != nullptr) BuildDrop(context, message_.id(), *pieces);
      Refuse(v1::ENQUEUE_OUTCOME_INVALID, "content is missing or incomplete");
      return false;
    }
    const uint64_t hash = pieces->hasher.Digest();
    if (message_.expected_hash() != 0 && message_.expected_hash() != hash) {
      BuildDrop(context, message_.id(), *pieces);
      Refuse(v1::ENQUEUE_OUTCOME_INVALID, "content does not match its checksum");
      return false;
    }
    message_.SetChunks(pieces->upload, pieces->count, hash);
    context.batch().Delete(context.database().meta(), PendingKey(message_.id(), pieces->upload));
    return true;
  }

  Engine& engine_;
  PreparedMessage message_;
  const std::shared_ptr<UploadState> upload_;
  Store::EnqueueDone done_;
  v1::EnqueueResult result_;
  bool is_built_ = false;
};

}  // namespace

std::shared_ptr<Store::Upload> MakeUpload(Engine& engine) {
  return std::make_shared<RocksUpload>(engine);
}

void SubmitEnqueue(Engine& engine, v1::NewMessage message,
                   const std::shared_ptr<Store::Upload>& upload, Store::EnqueueDone done) {
  v1::EnqueueResult refused;
  refused.set_message_id(message.message_id());
  if (!engine.accepting.load(std::memory_order_relaxed)) {
    engine.metrics.refused[Metrics::kFull]->Increment();
    refused.set_outcome(v1::ENQUEUE_OUTCOME_FULL);
    refused.set_detail("the spool's disk is nearly full");
    return std::move(done)(std::move(refused));
  }
  absl::StatusOr<PreparedMessage> prepared =
      PreparedMessage::Make(std::move(message), engine.clock.Now());
  if (!prepared.ok()) {
    engine.metrics.refused[Metrics::kInvalid]->Increment();
    refused.set_outcome(v1::ENQUEUE_OUTCOME_INVALID);
    refused.set_detail(std::string(prepared.status().message()));
    return std::move(done)(std::move(refused));
  }
  std::shared_ptr<UploadState> state;
  if (upload != nullptr) state = static_cast<RocksUpload&>(*upload).state();
  engine.committer.Submit(std::make_unique<EnqueueOperation>(engine, *std::move(prepared),
                                                             std::move(state), std::move(done)));
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
