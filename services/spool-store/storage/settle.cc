#include "services/spool-store/storage/settle.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "services/common/observe/log.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/settlement.h"
#include "services/spool-store/storage/message_writer.h"

namespace turnpike::spool {

class Settler::SettleOperation : public Operation {
 public:
  SettleOperation(Settler& settler, v1::Settlement settlement, Store::SettleDone done)
      : settler_(settler),
        engine_(settler.engine_),
        settlement_(std::move(settlement)),
        now_(engine_.clock.Now()),
        done_(std::move(done)) {
    *result_.mutable_token() = settlement_.token();
  }

  uint64_t id() const { return settlement_.token().delivery_id(); }
  uint64_t fence() const { return settlement_.token().fence(); }
  Store::SettleDone TakeDone() { return std::move(done_); }
  bool has_outcome() const { return result_.outcome() != v1::SETTLE_OUTCOME_UNSPECIFIED; }
  void Fail(v1::SettleOutcome outcome) { result_.set_outcome(outcome); }

  // Checks and makes the records of the follow-ups. On the caller's thread.
  bool PrepareFollowUps() {
    for (v1::NewMessage& message : *settlement_.mutable_follow_ups()) {
      auto prepared = PreparedMessage::Make(std::move(message), now_);
      if (!prepared.ok() || prepared->is_chunked()) {
        TURNPIKE_LOG(kError, "follow-up of a settlement is invalid",
                     {{"delivery", id()}, {"error", prepared.status().ToString()}});
        return false;
      }
      follow_ups_.push_back(*std::move(prepared));
    }
    settlement_.clear_follow_ups();
    return true;
  }

  // Decides by what is in memory whether this goes on. Marks the lease.
  void Claim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu) {
    Lease* lease = engine_.schedule.leases().Find(id());
    if (lease == nullptr) return;  // Build looks on the disk
    if (lease->fence != fence()) {
      return Fail(lease->fence > fence() ? v1::SETTLE_OUTCOME_LOST : v1::SETTLE_OUTCOME_INVALID);
    }
    if (lease->is_settling) return Fail(v1::SETTLE_OUTCOME_LOST);
    lease->is_settling = true;
    is_claimed_ = true;
    before_ = lease->record;
    TakeLease(*lease);
  }

  // What the settlement makes of the delivery. Off the committer's thread when the record is known.
  void Prepare() {
    if (before_ == nullptr) return;
    absl::StatusOr<SettleEffect> effect =
        ApplySettlement(id(), *before_, settlement_, release_epoch_, now_);
    if (effect.ok()) {
      effect_ = *std::move(effect);
    } else {
      Fail(v1::SETTLE_OUTCOME_INVALID);
    }
  }

  void Build(CommitContext& context) override {
    if (!has_outcome() && !is_claimed_) ClaimFromDisk();
    if (!has_outcome() && before_ == nullptr) ReadRecord();
    if (!has_outcome() && !effect_.has_value()) Prepare();
    if (has_outcome()) return;
    for (PreparedMessage& message : follow_ups_) {
      const absl::StatusOr<bool> known = PreparedMessage::IsKnown(context, message.id());
      if (!known.ok()) return Fail(v1::SETTLE_OUTCOME_FAILED);
      if (*known) continue;
      message.Build(context);
      built_follow_ups_.push_back(&message);
    }
    if (effect_->is_done) {
      BuildRemoval(context, queue_key_, position_, *before_, now_);
    } else {
      BuildMove(context, queue_key_, position_, queue_key_, effect_->position, effect_->record);
    }
  }

  void Apply(bool written) override {
    if (auto found = settler_.in_flight_.find(id());
        found != settler_.in_flight_.end() && found->second.fence == fence()) {
      waiting_ = std::move(found->second.waiting);
      settler_.in_flight_.erase(found);
    }
    if (!has_outcome() && !written) Fail(v1::SETTLE_OUTCOME_FAILED);
    if (!is_claimed_) return;
    Lease* lease = engine_.schedule.leases().Find(id());
    if (has_outcome()) {  // not done: the lease goes on, if it still has a holder
      lease->is_settling = false;
      if (lease->holder == kNoHolder) engine_.schedule.Return(lease);
      return;
    }
    result_.set_outcome(v1::SETTLE_OUTCOME_SETTLED);
    const size_t kind = Metrics::KindIndex(lease->queue->kind());
    auto& completed = engine_.metrics.completed[kind];
    if (effect_->delivered > 0) {
      completed[Metrics::kDelivered]->Increment(static_cast<double>(effect_->delivered));
    }
    if (effect_->returned > 0) {
      completed[Metrics::kBounced]->Increment(static_cast<double>(effect_->returned));
    }
    if (effect_->is_done) {
      engine_.schedule.Remove(lease);
    } else {
      lease->position = effect_->position;
      engine_.schedule.Return(lease);
    }
    for (PreparedMessage* message : built_follow_ups_) {
      message->Apply(engine_.schedule, engine_.metrics);
    }
  }

  void Answer() override {
    for (Store::SettleDone& done : waiting_) std::move(done)(result_);
    std::move(done_)(std::move(result_));
  }

 private:
  void TakeLease(const Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu) {
    queue_key_ = lease.queue->key();
    position_ = lease.position;
    release_epoch_ = lease.queue->record().release_epoch();
  }

  void ReadRecord() {
    std::string bytes;
    const absl::Status status =
        engine_.database.Get(engine_.database.delivery(), DeliveryKey(id()), &bytes);
    auto record = std::make_shared<records::DeliveryRecord>();
    if (absl::IsNotFound(status)) return Fail(v1::SETTLE_OUTCOME_GONE);
    if (!status.ok() || !record->ParseFromString(bytes)) return Fail(v1::SETTLE_OUTCOME_FAILED);
    before_ = std::move(record);
  }

  // The lease is over, or was before a restart: the delivery is taken from whatever it is by now.
  void ClaimFromDisk() {
    {
      absl::MutexLock lock(&engine_.mu);
      Claim();  // somebody may have leased it since
      if (has_outcome() || is_claimed_) return;
      if (!engine_.schedule.leases().IsIssued(fence())) return Fail(v1::SETTLE_OUTCOME_INVALID);
    }
    ReadRecord();
    if (has_outcome()) return;
    if (fence() <= before_->settled_fence()) return Fail(v1::SETTLE_OUTCOME_GONE);
    const std::string queue_key = QueueKey(before_->queue());
    absl::MutexLock lock(&engine_.mu);
    Queue& queue = engine_.schedule.GetOrMake(queue_key);
    Lease* lease = engine_.schedule.LeaseAt(queue, PositionOf(id(), *before_), FactsOf(*before_),
                                            kNoHolder, now_);
    if (lease == nullptr) return Fail(v1::SETTLE_OUTCOME_LOST);
    lease->is_settling = true;
    is_claimed_ = true;
    TakeLease(*lease);
  }

  Settler& settler_;
  Engine& engine_;
  v1::Settlement settlement_;
  const absl::Time now_;
  std::vector<PreparedMessage> follow_ups_;
  std::vector<PreparedMessage*> built_follow_ups_;
  std::shared_ptr<const records::DeliveryRecord> before_;
  std::string queue_key_;
  Position position_;
  uint32_t release_epoch_ = 0;
  bool is_claimed_ = false;
  std::optional<SettleEffect> effect_;
  v1::SettleResult result_;
  Store::SettleDone done_;
  std::vector<Store::SettleDone> waiting_;
};

void Settler::Submit(v1::Settlement settlement, Store::SettleDone done) {
  auto operation = std::make_unique<SettleOperation>(*this, std::move(settlement), std::move(done));
  if (!operation->PrepareFollowUps()) operation->Fail(v1::SETTLE_OUTCOME_INVALID);
  if (!operation->has_outcome()) {
    absl::MutexLock lock(&engine_.mu);
    auto [found, made] = in_flight_.try_emplace(operation->id());
    if (made) {
      found->second.fence = operation->fence();
      operation->Claim();
      if (operation->has_outcome()) in_flight_.erase(operation->id());
    } else if (found->second.fence == operation->fence()) {
      found->second.waiting.push_back(operation->TakeDone());
      return;
    } else {
      operation->Fail(v1::SETTLE_OUTCOME_LOST);
    }
  }
  if (operation->has_outcome()) return operation->Answer();
  operation->Prepare();
  engine_.committer.Submit(std::move(operation));
}

}  // namespace turnpike::spool
