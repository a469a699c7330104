#include "services/spool-store/storage/move_out.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/core/moved_delivery.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/storage/delivery_reader.h"
#include "services/spool-store/storage/message_writer.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kNotePrefix = "moving/";         // and a delivery's key
constexpr absl::string_view kTargetPrefix = "move_target/";  // and a shard's number
constexpr absl::string_view kNumberKey = "last_move_number";

std::string NoteKey(uint64_t delivery_id) {
  return absl::StrCat(kNotePrefix, DeliveryKey(delivery_id));
}

std::string TargetKey(uint32_t target) { return absl::StrCat(kTargetPrefix, target); }

// An operation that its submitter waits for.
class AwaitedOperation : public Operation {
 public:
  void Apply(bool written) override {
    if (written) {
      ApplyWritten();
    } else {
      status_ = absl::UnavailableError("the spool cannot be written");
    }
  }
  void Answer() override {
    *result_ = status_;
    done_->Notify();
  }
  void Await(absl::Status* result, absl::Notification* done) {
    result_ = result;
    done_ = done;
  }

 protected:
  virtual void ApplyWritten() {}

 private:
  absl::Status status_;
  absl::Status* result_ = nullptr;
  absl::Notification* done_ = nullptr;
};

template <typename Visit>
absl::Status ScanMeta(Database& database, absl::string_view prefix, Visit visit) {
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      database.db().NewIterator(rocksdb::ReadOptions(), database.meta()));
  for (it->Seek(ToSlice(prefix)); it->Valid() && it->key().starts_with(ToSlice(prefix));
       it->Next()) {
    visit(absl::StripPrefix(ToView(it->key()), prefix), ToView(it->value()));
  }
  return FromRocks(it->status());
}

}  // namespace

class MoveOut::NoteOperation : public AwaitedOperation {
 public:
  NoteOperation(Engine& engine, const std::vector<Outgoing>& moves)
      : engine_(engine), moves_(moves) {}

  void Build(CommitContext& context) override {
    Database& database = context.database();
    for (const Outgoing& move : moves_) {
      records::MovingRecord note;
      note.set_number(move.number);
      note.set_target(move.target);
      note.set_noted_ms(move.noted_ms);
      context.batch().Put(database.meta(), NoteKey(move.delivery_id), note.SerializeAsString());
      context.batch().Put(database.meta(), TargetKey(move.target), "1");
    }
    context.batch().Put(database.meta(), ToSlice(kNumberKey), absl::StrCat(moves_.back().number));
    // From here on: whoever is built after this may count on the note.
    engine_.noted_moves += static_cast<int64_t>(moves_.size());
  }
  void Apply(bool written) override {
    if (!written) engine_.noted_moves -= static_cast<int64_t>(moves_.size());
    AwaitedOperation::Apply(written);
  }

 private:
  Engine& engine_;
  const std::vector<Outgoing>& moves_;
};

class MoveOut::FinishOperation : public AwaitedOperation {
 public:
  FinishOperation(Engine& engine, const std::vector<Outgoing>& moved,
                  const std::vector<Outgoing>& kept)
      : engine_(engine), moved_(moved), kept_(kept) {}

  void Build(CommitContext& context) override {
    Database& database = context.database();
    for (const Outgoing& move : moved_) {
      BuildRemoval(context, move.queue_key, move.position, *move.record, engine_.clock.Now());
      context.batch().Delete(database.meta(), NoteKey(move.delivery_id));
    }
    for (const Outgoing& move : kept_) {
      context.batch().Delete(database.meta(), NoteKey(move.delivery_id));
    }
  }

 private:
  void ApplyWritten() override {
    LeaseTable& leases = engine_.schedule.leases();
    for (const Outgoing& move : moved_) engine_.schedule.Remove(leases.Find(move.delivery_id));
    for (const Outgoing& move : kept_) engine_.schedule.Return(leases.Find(move.delivery_id));
    engine_.noted_moves -= static_cast<int64_t>(moved_.size() + kept_.size());
    engine_.metrics.moved[Metrics::kOut]->Increment(static_cast<double>(moved_.size()));
  }

  Engine& engine_;
  const std::vector<Outgoing>& moved_;
  const std::vector<Outgoing>& kept_;
};

class MoveOut::ForgottenOperation : public AwaitedOperation {
 public:
  explicit ForgottenOperation(uint32_t target) : target_(target) {}
  void Build(CommitContext& context) override {
    context.batch().Delete(context.database().meta(), TargetKey(target_));
  }

 private:
  const uint32_t target_;
};

template <typename Op>
absl::Status MoveOut::Run(std::unique_ptr<Op> operation) {
  absl::Status result;
  absl::Notification done;
  operation->Await(&result, &done);
  engine_.committer.Submit(std::move(operation));
  done.WaitForNotification();
  return result;
}

absl::Status MoveOut::Load() {
  Database& database = engine_.database;
  std::string number;
  const absl::Status numbered = database.Get(database.meta(), kNumberKey, &number);
  if (numbered.ok() && !absl::SimpleAtoi(number, &last_number_)) {
    return absl::DataLossError("the mark of used move numbers is no number");
  }
  if (!numbered.ok() && !absl::IsNotFound(numbered)) return numbered;
  TURNPIKE_RETURN_IF_ERROR(
      ScanMeta(database, kTargetPrefix, [this](absl::string_view key, absl::string_view) {
        uint32_t target = 0;
        if (absl::SimpleAtoi(key, &target)) targets_[target] = last_number_;
      }));
  TURNPIKE_RETURN_IF_ERROR(
      ScanMeta(database, kNotePrefix, [&](absl::string_view key, absl::string_view value) {
        uint64_t id = 0;
        records::MovingRecord note;
        if (!ParseDeliveryKey(key, id) || !note.ParseFromString(std::string(value))) return;
        auto record = ReadDelivery(database, id);
        std::optional<Outgoing> move;
        if (record.ok()) move = Claim(id, **record);
        if (!move.has_value()) {
          // It stays as it is and where it is: a note is never ahead of its delivery.
          TURNPIKE_LOG(kError, "delivery that was being moved cannot be read",
                       {{"delivery", id}, {"error", record.status().ToString()}});
          return;
        }
        move->number = note.number();
        move->target = note.target();
        move->noted_ms = note.noted_ms();
        move->is_again = true;
        open_.emplace(move->number, *std::move(move));
      }));
  engine_.noted_moves = static_cast<int64_t>(open_.size());
  Count();
  return absl::OkStatus();
}

std::optional<Outgoing> MoveOut::Claim(uint64_t delivery_id,
                                       const records::DeliveryRecord& record) {
  Outgoing move{.delivery_id = delivery_id,
                .queue_key = QueueKey(record.queue()),
                .position = PositionOf(delivery_id, record)};
  {
    absl::MutexLock lock(&engine_.mu);
    Lease* lease =
        engine_.schedule.LeaseAt(engine_.schedule.GetOrMake(move.queue_key), move.position,
                                 FactsOf(record), kNoHolder, engine_.clock.Now());
    if (lease == nullptr) return std::nullopt;
    lease->is_settling = true;
  }
  // Nobody changes it any more. It may have been changed before.
  auto current = ReadDelivery(engine_.database, delivery_id);
  if (current.ok() && PositionOf(delivery_id, **current) == move.position &&
      QueueKey((*current)->queue()) == move.queue_key) {
    move.record = *std::move(current);
    return move;
  }
  absl::MutexLock lock(&engine_.mu);
  engine_.schedule.Undo(engine_.schedule.leases().Find(delivery_id));
  return std::nullopt;
}

void MoveOut::Free(const std::vector<Outgoing>& claimed) {
  absl::MutexLock lock(&engine_.mu);
  for (const Outgoing& move : claimed) {
    engine_.schedule.Return(engine_.schedule.leases().Find(move.delivery_id));
  }
}

// Not always behind the others: a walk may have gone back.
void MoveOut::PassOver(uint64_t delivery_id) {
  left_ = std::min(left_.value_or(delivery_id), delivery_id);
}

absl::StatusOr<std::vector<Outgoing>> MoveOut::Next(Choose choose) {
  // By the clock, so that a folder that is brought back from a snapshot takes no number again under
  // which a target has stored something else since.
  const uint64_t last_number =
      std::max(last_number_, static_cast<uint64_t>(absl::ToUnixMicros(engine_.clock.Now())));
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine_.database.db().NewIterator(options, engine_.database.delivery()));
  std::vector<Outgoing> moves;
  int64_t bytes = 0;
  for (it->Seek(DeliveryKey(cursor_ + 1)); it->Valid(); it->Next()) {
    if (moves.size() >= kBatchMax || bytes >= kBatchBytesMax) break;
    uint64_t id = 0;
    records::DeliveryRecord record;
    if (!ParseDeliveryKey(ToView(it->key()), id)) continue;
    cursor_ = id;
    if (!record.ParseFromArray(it->value().data(), static_cast<int>(it->value().size()))) {
      left_out_.try_emplace(id, "its record cannot be read");
    }
    if (left_out_.contains(id)) {
      seen_left_out_.insert(id);
      PassOver(id);
      continue;
    }
    std::optional<Outgoing> move;
    const std::optional<uint32_t> target = choose(QueueKey(record.queue()));
    if (target.has_value()) move = Claim(id, record);
    if (!move.has_value()) {
      PassOver(id);
      continue;
    }
    move->target = *target;
    move->number = last_number + moves.size() + 1;
    move->noted_ms = absl::ToUnixMillis(engine_.clock.Now());
    bytes += record.content_bytes();
    moves.push_back(*std::move(move));
  }
  const absl::Status read = FromRocks(it->status());
  if (read.ok() && !it->Valid() && left_.has_value()) {
    // The next walk begins with what this one has passed over.
    cursor_ = *left_ - 1;
    left_ = std::nullopt;
    absl::erase_if(left_out_,
                   [this](const auto& one) { return !seen_left_out_.contains(one.first); });
    seen_left_out_.clear();
  } else if (read.ok() && !it->Valid()) {
    left_out_.clear();
    seen_left_out_.clear();
  }
  if (moves.empty()) {
    TURNPIKE_RETURN_IF_ERROR(read);
    return moves;
  }
  const absl::Status noted = Run(std::make_unique<NoteOperation>(engine_, moves));
  if (!noted.ok()) {
    cursor_ = std::min(cursor_, moves.front().delivery_id - 1);
    Free(moves);
    return noted;
  }
  last_number_ = moves.back().number;
  for (const Outgoing& move : moves) {
    targets_[move.target] = move.number;
    open_.emplace(move.number, move).first->second.is_again = true;
  }
  Count();
  return moves;
}

void MoveOut::Rewind() {
  if (!left_.has_value()) return;
  cursor_ = *left_ - 1;
  left_ = std::nullopt;
  seen_left_out_.clear();
}

bool MoveOut::HasMore() const {
  absl::MutexLock lock(&engine_.mu);
  const Totals& totals = engine_.schedule.totals();
  return totals.deliveries > totals.leased;
}

std::vector<Outgoing> MoveOut::Open() const {
  std::vector<Outgoing> moves;
  moves.reserve(open_.size());
  for (const auto& [number, move] : open_) moves.push_back(move);
  return moves;
}

absl::StatusOr<v1::MovedDelivery> MoveOut::Describe(const Outgoing& outgoing) {
  Database& database = engine_.database;
  TURNPIKE_ASSIGN_OR_RETURN(const records::MessageRecord message,
                            ReadMessage(database, outgoing.record->message_id()));
  v1::DeliveryState state = v1::DELIVERY_STATE_READY;
  records::QueueRecord queue_record;
  {
    absl::MutexLock lock(&engine_.mu);
    const Queue& queue = engine_.schedule.GetOrMake(outgoing.queue_key);
    state = queue.StateAt(outgoing.position);
    queue_record = queue.record();
  }
  v1::MovedDelivery moved =
      MakeMoved(outgoing.number, *outgoing.record, message, state, queue_record);
  if (message.content_chunks() > 0) return moved;
  TURNPIKE_RETURN_IF_ERROR(database.Get(database.content(), outgoing.record->message_id(),
                                        moved.mutable_inline_content()));
  if (HashContent(moved.inline_content()) != message.content_hash()) {
    return absl::DataLossError("content does not match its checksum");
  }
  return moved;
}

absl::Status MoveOut::ReadPieces(const Outgoing& outgoing,
                                 absl::FunctionRef<bool(int64_t offset, std::string piece)> visit) {
  Database& database = engine_.database;
  const records::DeliveryRecord& record = *outgoing.record;
  int64_t offset = 0;
  for (int32_t i = 0; i < record.content_chunks(); ++i) {
    std::string piece;
    TURNPIKE_RETURN_IF_ERROR(database.Get(
        database.content(), ChunkKey(record.message_id(), record.content_upload(), i), &piece));
    const auto size = static_cast<int64_t>(piece.size());
    if (!visit(offset, std::move(piece))) return absl::OkStatus();
    offset += size;
  }
  return absl::OkStatus();
}

absl::Status MoveOut::Finish(const std::vector<Outgoing>& moved,
                             const std::vector<Outgoing>& kept) {
  if (moved.empty() && kept.empty()) return absl::OkStatus();
  TURNPIKE_RETURN_IF_ERROR(Run(std::make_unique<FinishOperation>(engine_, moved, kept)));
  for (const Outgoing& move : moved) open_.erase(move.number);
  for (const Outgoing& move : kept) {
    open_.erase(move.number);
    // Looked at again before all that is behind it, so that order is kept.
    if (cursor_ >= move.delivery_id) cursor_ = move.delivery_id - 1;
  }
  Count();
  return absl::OkStatus();
}

std::string MoveOut::LeftOut() const {
  if (left_out_.empty()) return "";
  const auto first = std::min_element(left_out_.begin(), left_out_.end());
  const std::string more =
      left_out_.size() > 1 ? absl::StrCat(" (and ", left_out_.size() - 1, " more)") : "";
  return absl::StrCat("delivery ", first->first, " cannot be moved: ", first->second, more);
}

std::optional<v1::ReleaseQueueRequest> MoveOut::ReleasedSince(const Outgoing& outgoing) {
  absl::MutexLock lock(&engine_.mu);
  const Queue* queue = engine_.schedule.Find(outgoing.queue_key);
  if (queue == nullptr || queue->record().last_release_ms() < outgoing.noted_ms) {
    return std::nullopt;
  }
  v1::ReleaseQueueRequest request;
  *request.mutable_queue() = outgoing.record->queue();
  if (queue->record().has_route()) *request.mutable_route() = queue->record().route();
  return request;
}

uint64_t MoveOut::ForgetBelow(uint32_t target) const {
  for (const auto& [number, move] : open_) {
    if (move.target == target) return number;
  }
  return last_number_ + 1;
}

std::vector<uint32_t> MoveOut::Targets() const {
  std::vector<uint32_t> targets;
  for (const auto& [target, number] : targets_) targets.push_back(target);
  return targets;
}

absl::Status MoveOut::Forgotten(uint32_t target, uint64_t below) {
  auto found = targets_.find(target);
  if (found == targets_.end() || below <= found->second || ForgetBelow(target) <= found->second) {
    return absl::OkStatus();
  }
  TURNPIKE_RETURN_IF_ERROR(Run(std::make_unique<ForgottenOperation>(target)));
  targets_.erase(found);
  Count();
  return absl::OkStatus();
}

}  // namespace turnpike::spool
