#include "services/spool-store/storage/move_in.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/spool-store/core/moved_delivery.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/storage/message_writer.h"
#include "services/spool-store/storage/upload.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kMarkPrefix = "moved_in/";
constexpr size_t kSourceIdBytes = 16;

std::string MarkKey(absl::string_view source_id, uint64_t number) {
  std::string key = absl::StrCat(kMarkPrefix, source_id);
  AppendBigEndian64(number, key);
  return key;
}

// Of one call. Confined to the committer's thread.
struct CallState {
  bool is_broken = false;  // a move was not stored: nothing after it is
};

}  // namespace

class MoveIn::MoveOperation : public Operation {
 public:
  MoveOperation(MoveIn& owner, std::shared_ptr<CallState> call, std::shared_ptr<UploadState> upload,
                const std::string& source_id, v1::MovedDelivery moved,
                absl::StatusOr<MovedRecords> made, absl::AnyInvocable<void(v1::MoveResult)> done)
      : owner_(owner),
        engine_(owner.engine_),
        call_(std::move(call)),
        upload_(std::move(upload)),
        source_id_(source_id),
        mark_key_(MarkKey(source_id, moved.number())),
        queue_key_(QueueKey(moved.queue())),
        moved_(std::move(moved)),
        made_(std::move(made)),
        done_(std::move(done)) {
    result_.set_number(moved_.number());
  }

  void Build(CommitContext& context) override {
    const auto below = owner_.forgotten_below_.find(source_id_);
    is_forgotten_ = below != owner_.forgotten_below_.end() && moved_.number() < below->second;
    const v1::MoveOutcome outcome = TryBuild(context);
    result_.set_outcome(outcome);
    if (outcome == v1::MOVE_OUTCOME_STORED) return;
    // What is damaged stays behind for good: nothing has to wait for it.
    if (outcome != v1::MOVE_OUTCOME_INVALID) call_->is_broken = true;
    BuildDropPieces(context, upload_.get(), moved_.message_id());
  }

  void Apply(bool written) override {
    if (result_.outcome() != v1::MOVE_OUTCOME_STORED) return;
    if (!written) {
      call_->is_broken = true;
      result_.set_outcome(v1::MOVE_OUTCOME_FAILED);
      result_.set_detail("the spool cannot be written");
      return;
    }
    if (!is_new_) return;
    ++owner_.open_count_;
    engine_.metrics.moved[Metrics::kIn]->Increment();
    if (!is_placed_) return;
    Queue& queue = engine_.schedule.GetOrMake(queue_key_);
    if (queue_record_.has_value()) queue.SetRecord(*std::move(queue_record_));
    engine_.schedule.Add(queue, position_, FactsOf(made_->delivery));
  }

  void Answer() override { std::move(done_)(std::move(result_)); }

 private:
  v1::MoveOutcome Fail(v1::MoveOutcome outcome, absl::string_view detail) {
    result_.set_detail(std::string(detail));
    return outcome;
  }

  v1::MoveOutcome TryBuild(CommitContext& context) {
    Database& database = context.database();
    const absl::Status mark = context.Get(database.meta(), mark_key_).status();
    if (mark.ok()) {  // moved before; it may be done by now
      BuildDropPieces(context, upload_.get(), moved_.message_id());
      return v1::MOVE_OUTCOME_STORED;
    }
    if (!absl::IsNotFound(mark)) return Fail(v1::MOVE_OUTCOME_FAILED, mark.message());
    // Of a call that was given up, and only read now: its mark would tell if it had been kept.
    if (is_forgotten_) return Fail(v1::MOVE_OUTCOME_REFUSED, "the move was over before");
    if (call_->is_broken) return Fail(v1::MOVE_OUTCOME_REFUSED, "one before was not stored");
    // While moves out of here are not over, a message that is here may be about to leave: nothing
    // can be told by its being here.
    if (engine_.emptying || engine_.noted_moves > 0) {
      return Fail(v1::MOVE_OUTCOME_REFUSED, "the shard is being emptied");
    }
    if (!engine_.accepting) {
      return Fail(v1::MOVE_OUTCOME_REFUSED, "the spool's disk is nearly full");
    }
    if (!made_.ok()) return Fail(v1::MOVE_OUTCOME_INVALID, made_.status().message());

    const absl::Status content = made_->delivery.sole() ? BuildSole(context) : BuildShared(context);
    if (absl::IsDataLoss(content)) return Fail(v1::MOVE_OUTCOME_INVALID, content.message());
    if (!content.ok()) return Fail(v1::MOVE_OUTCOME_FAILED, content.message());
    context.PutTracked(database.meta(), mark_key_, "1");
    is_new_ = true;
    if (is_placed_) BuildDelivery(context);
    return v1::MOVE_OUTCOME_STORED;
  }

  // The message has this delivery only.
  absl::Status BuildSole(CommitContext& context) {
    Database& database = context.database();
    const absl::Status known = context.Get(database.message(), moved_.message_id()).status();
    if (known.ok()) {
      // Its client has stored it here too, when it got no answer there: once is enough (PL-21).
      BuildDropPieces(context, upload_.get(), moved_.message_id());
      engine_.metrics.repeated->Increment();
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(known)) return known;
    TURNPIKE_RETURN_IF_ERROR(BuildContent(context));
    is_placed_ = true;
    return absl::OkStatus();
  }

  // The message has others, some of which may be here already. Their count tells, which is seen
  // within a batch.
  absl::Status BuildShared(CommitContext& context) {
    Database& database = context.database();
    const std::string count_key = OpenCountKey(moved_.message_id());
    const absl::StatusOr<std::string> count = context.Get(database.message(), count_key);
    uint64_t open = 0;
    if (count.ok()) {
      if (count->size() != 8) return absl::DataLossError("count of open deliveries is damaged");
      open = ReadBigEndian64(*count);
      const absl::StatusOr<std::string> bytes =
          context.Get(database.message(), moved_.message_id());
      if (absl::IsUnavailable(bytes.status())) return bytes.status();
      // Nothing can be added to it, now or later.
      records::MessageRecord message;
      if (!bytes.ok() || !message.ParseFromString(*bytes)) {
        return absl::DataLossError("the message is damaged at the target");
      }
      made_->delivery.set_content_upload(message.content_upload());
      made_->delivery.set_content_chunks(message.content_chunks());
      BuildDropPieces(context, upload_.get(), moved_.message_id());
    } else if (absl::IsNotFound(count.status())) {
      TURNPIKE_RETURN_IF_ERROR(BuildContent(context));
    } else {
      return count.status();
    }
    std::string value;
    AppendBigEndian64(open + 1, value);
    context.PutTracked(database.message(), count_key, std::move(value));
    is_placed_ = true;
    return absl::OkStatus();
  }

  // The message and its content.
  absl::Status BuildContent(CommitContext& context) {
    Database& database = context.database();
    if (moved_.inline_content().empty() && moved_.content_bytes() > 0) {
      TURNPIKE_ASSIGN_OR_RETURN(const TakenPieces pieces,
                                TakePieces(context, upload_.get(), moved_.message_id(),
                                           moved_.content_bytes(), moved_.content_hash()));
      made_->message.set_content_upload(pieces.upload);
      made_->message.set_content_chunks(pieces.count);
      made_->delivery.set_content_upload(pieces.upload);
      made_->delivery.set_content_chunks(pieces.count);
    } else {
      context.batch().Put(database.content(), moved_.message_id(), moved_.inline_content());
    }
    context.PutTracked(database.message(), moved_.message_id(), made_->message.SerializeAsString());
    return absl::OkStatus();
  }

  void BuildDelivery(CommitContext& context) {
    Database& database = context.database();
    records::QueueRecord queue;
    const absl::StatusOr<std::string> bytes = context.Get(database.queue(), queue_key_);
    if (bytes.ok() && !queue.ParseFromString(*bytes)) queue.Clear();
    if (TakeOverRelease(moved_, queue)) {
      context.PutTracked(database.queue(), queue_key_, queue.SerializeAsString());
      queue_record_ = queue;
    }
    position_ = PlaceMoved(context.NextDeliveryId(), moved_.state(),
                           moved_.next_attempt_time().seconds(), queue.release_epoch());
    SetPosition(position_, made_->delivery);
    BuildNew(context, queue_key_, position_, made_->delivery);
  }

  MoveIn& owner_;
  Engine& engine_;
  const std::shared_ptr<CallState> call_;
  const std::shared_ptr<UploadState> upload_;
  const std::string source_id_;
  const std::string mark_key_;
  const std::string queue_key_;
  const v1::MovedDelivery moved_;  // its content; the rest has gone into `made_`
  absl::StatusOr<MovedRecords> made_;
  absl::AnyInvocable<void(v1::MoveResult)> done_;
  v1::MoveResult result_;
  Position position_;
  std::optional<records::QueueRecord> queue_record_;  // when it changes
  bool is_forgotten_ = false;                         // the source has said that it is over
  bool is_new_ = false;                               // not moved before
  bool is_placed_ = false;                            // makes a delivery
};

class MoveIn::ForgetOperation : public Operation {
 public:
  ForgetOperation(MoveIn& owner, std::string source_id, uint64_t below, Store::Done<uint64_t> done)
      : owner_(owner), source_id_(std::move(source_id)), below_(below), done_(std::move(done)) {}

  void Build(CommitContext& context) override {
    Database& database = context.database();
    const uint64_t from = owner_.forgotten_below_[source_id_];
    const std::string end = MarkKey(source_id_, below_);
    const rocksdb::Slice end_slice(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &end_slice;
    const auto it =
        std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(options, database.meta()));
    for (it->Seek(MarkKey(source_id_, from)); it->Valid(); it->Next()) {
      context.DeleteTracked(database.meta(), ToView(it->key()));
      ++count_;
    }
    status_ = FromRocks(it->status());
  }

  void Apply(bool written) override {
    if (!written) status_ = absl::UnavailableError("the spool cannot be written");
    if (!status_.ok()) return;
    owner_.open_count_ -= count_;
    uint64_t& below = owner_.forgotten_below_[source_id_];
    below = std::max(below, below_);
  }

  void Answer() override {
    if (!status_.ok()) return std::move(done_)(status_);
    std::move(done_)(below_);
  }

 private:
  MoveIn& owner_;
  const std::string source_id_;
  const uint64_t below_;
  Store::Done<uint64_t> done_;
  absl::Status status_;
  int64_t count_ = 0;
};

class MoveIn::CallImpl : public MoveIn::Call {
 public:
  explicit CallImpl(MoveIn& owner) : owner_(owner) {}

  void Append(v1::ContentChunk chunk, absl::AnyInvocable<void()> done) override {
    if (upload_ == nullptr) upload_ = MakeUpload(owner_.engine_);
    upload_->Append(std::move(chunk), std::move(done));
  }

  void Move(const std::string& source_id, v1::MovedDelivery moved,
            absl::AnyInvocable<void(v1::MoveResult)> done) override {
    absl::StatusOr<MovedRecords> made = MakeRecords(moved);
    if (source_id.size() != kSourceIdBytes) {
      made = absl::InvalidArgumentError("source_id has not 16 octets");
    }
    owner_.engine_.committer.Submit(
        std::make_unique<MoveOperation>(owner_, state_, StateOf(upload_), source_id,
                                        std::move(moved), std::move(made), std::move(done)));
  }

 private:
  MoveIn& owner_;
  const std::shared_ptr<CallState> state_ = std::make_shared<CallState>();
  std::shared_ptr<Store::Upload> upload_;
};

absl::Status MoveIn::Load() {
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine_.database.db().NewIterator(rocksdb::ReadOptions(), engine_.database.meta()));
  for (it->Seek(ToSlice(kMarkPrefix)); it->Valid() && it->key().starts_with(ToSlice(kMarkPrefix));
       it->Next()) {
    ++open_count_;
  }
  return FromRocks(it->status());
}

std::shared_ptr<MoveIn::Call> MoveIn::Open() { return std::make_shared<CallImpl>(*this); }

void MoveIn::Forget(std::string source_id, uint64_t below, Store::Done<uint64_t> done) {
  if (source_id.size() != kSourceIdBytes) {
    return std::move(done)(absl::InvalidArgumentError("source_id has not 16 octets"));
  }
  engine_.committer.Submit(
      std::make_unique<ForgetOperation>(*this, std::move(source_id), below, std::move(done)));
}

}  // namespace turnpike::spool
