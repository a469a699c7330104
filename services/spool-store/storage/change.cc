#include "services/spool-store/storage/change.h"

#include <string>
#include <utility>

#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"
#include "services/spool-store/storage/delivery_reader.h"
#include "services/spool-store/storage/message_writer.h"

namespace turnpike::spool {
namespace {

class UpdateOperation : public Operation {
 public:
  UpdateOperation(Engine& engine, v1::UpdateDeliveryRequest request,
                  Store::Done<v1::UpdateDeliveryResponse> done)
      : engine_(engine), request_(std::move(request)), done_(std::move(done)) {}

  void Build(CommitContext& context) override {
    const uint64_t id = request_.delivery_id();
    auto read = ReadDelivery(engine_.database, id);
    if (!read.ok()) {
      status_ = read.status();
      return;
    }
    record_ = **read;
    old_queue_key_ = queue_key_ = QueueKey(record_.queue());
    const Position before = PositionOf(id, record_);
    position_ = before;
    if (request_.has_move_to()) queue_key_ = QueueKey(request_.move_to());
    {
      absl::MutexLock lock(&engine_.mu);
      Queue& queue = engine_.schedule.GetOrMake(old_queue_key_);
      Lease* lease =
          engine_.schedule.LeaseAt(queue, before, FactsOf(record_), kNoHolder, engine_.clock.Now());
      if (lease == nullptr) {
        status_ = absl::FailedPreconditionError("the delivery is leased");
        return;
      }
      lease->is_settling = true;
      is_claimed_ = true;
      Place(engine_.schedule.GetOrMake(queue_key_), queue.StateAt(before));
    }
    if (request_.delete_()) {
      BuildRemoval(context, old_queue_key_, before, record_, engine_.clock.Now());
      return;
    }
    if (request_.has_move_to()) {
      *record_.mutable_queue() = request_.move_to();
      record_.clear_route();
    }
    if (request_.has_reroute()) *record_.mutable_route() = request_.reroute();
    // Whatever else an operator wants, it is no longer the return.
    record_.clear_return_reply();
    if (request_.has_return_to_sender()) {
      *record_.mutable_return_reply() = request_.return_to_sender();
    }
    SetPosition(position_, record_);
    BuildMove(context, old_queue_key_, before, queue_key_, position_, record_);
  }

  void Apply(bool written) override {
    if (!is_claimed_) return;
    Schedule& schedule = engine_.schedule;
    Lease* lease = schedule.leases().Find(request_.delivery_id());
    if (!written) {
      status_ = absl::UnavailableError("the spool cannot be written");
      schedule.Return(lease);
      return;
    }
    if (request_.delete_() || queue_key_ != old_queue_key_) {
      schedule.Remove(lease);
    } else {
      lease->position = position_;
      schedule.Return(lease);
    }
    if (request_.delete_()) {
      engine_.metrics.completed[Metrics::KindIndex(record_.queue().kind())][Metrics::kDeleted]
          ->Increment(record_.recipients_size());
      return;
    }
    Queue& queue = schedule.GetOrMake(queue_key_);
    if (queue_key_ != old_queue_key_) schedule.Add(queue, position_, FactsOf(record_));
    state_ = queue.StateAt(position_);
  }

  void Answer() override {
    if (!status_.ok()) return std::move(done_)(status_);
    v1::UpdateDeliveryResponse response;
    if (!request_.delete_()) {
      // Without the envelope when that is damaged: the change has been made.
      const auto message = ReadMessage(engine_.database, record_.message_id());
      *response.mutable_delivery() = ToDelivery(request_.delivery_id(), record_,
                                                message.ok() ? *message : records::MessageRecord());
      response.mutable_delivery()->set_state(state_);
    }
    std::move(done_)(std::move(response));
  }

 private:
  // Where the delivery will stand, in `queue`.
  void Place(Queue& queue, v1::DeliveryState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine_.mu) {
    const uint64_t id = request_.delivery_id();
    if (request_.hold()) {
      position_ = queue.HeldPosition(id);
    } else if (request_.make_due() || request_.has_return_to_sender() || request_.has_reroute()) {
      position_ = {.section = Section::kReady, .delivery_id = id};
    } else if (request_.has_move_to()) {
      if (state == v1::DELIVERY_STATE_HELD) {
        position_ = queue.HeldPosition(id);
      } else if (position_.section == Section::kHeld) {  // released there, not here
        position_ = {.section = Section::kReady, .delivery_id = id};
      } else if (position_.section == Section::kDeferred) {
        position_.release_epoch = queue.record().release_epoch();
      }
    }
  }

  Engine& engine_;
  const v1::UpdateDeliveryRequest request_;
  Store::Done<v1::UpdateDeliveryResponse> done_;
  absl::Status status_;
  records::DeliveryRecord record_;
  std::string old_queue_key_;
  std::string queue_key_;
  Position position_;
  bool is_claimed_ = false;
  v1::DeliveryState state_ = v1::DELIVERY_STATE_UNSPECIFIED;
};

class ParkOperation : public Operation {
 public:
  ParkOperation(Engine& engine, uint64_t delivery_id,
                std::shared_ptr<const records::DeliveryRecord> record)
      : engine_(engine), delivery_id_(delivery_id), record_(std::move(record)) {}

  void Build(CommitContext& context) override {
    const std::string queue_key = QueueKey(record_->queue());
    records::DeliveryRecord parked = *record_;
    position_ = {.section = Section::kParked, .delivery_id = delivery_id_};
    SetPosition(position_, parked);
    BuildMove(context, queue_key, PositionOf(delivery_id_, *record_), queue_key, position_, parked);
  }
  void Apply(bool written) override {
    Lease* lease = engine_.schedule.leases().Find(delivery_id_);
    if (!written) return;  // stays out of sight by its lease
    lease->position = position_;
    engine_.schedule.Return(lease);
  }
  void Answer() override {}

 private:
  Engine& engine_;
  const uint64_t delivery_id_;
  const std::shared_ptr<const records::DeliveryRecord> record_;
  Position position_;
};

}  // namespace

void SubmitUpdate(Engine& engine, v1::UpdateDeliveryRequest request,
                  Store::Done<v1::UpdateDeliveryResponse> done) {
  const absl::Status status = CheckUpdate(request);
  if (!status.ok()) return std::move(done)(status);
  engine.committer.Submit(
      std::make_unique<UpdateOperation>(engine, std::move(request), std::move(done)));
}

void SubmitPark(Engine& engine, uint64_t delivery_id,
                std::shared_ptr<const records::DeliveryRecord> record) {
  engine.committer.Submit(std::make_unique<ParkOperation>(engine, delivery_id, std::move(record)));
}

}  // namespace turnpike::spool
