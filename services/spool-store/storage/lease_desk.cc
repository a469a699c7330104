#include "services/spool-store/storage/lease_desk.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/message_id.h"
#include "services/common/observe/log.h"
#include "services/common/spooled/queue_text.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"
#include "services/spool-store/storage/change.h"
#include "services/spool-store/storage/delivery_reader.h"
#include "services/spool-store/storage/index_scan.h"
#include "services/spool-store/storage/queue_walk.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kLeaseDurationMin = absl::Seconds(10);
constexpr absl::Duration kLeaseDurationMax = absl::Hours(1);
constexpr int64_t kCreditMax = 1'000'000;
// Deliveries in one response, and their content.
constexpr int64_t kBatchMax = 64;
constexpr int64_t kBatchBytesMax = 1 << 20;

}  // namespace

struct LeaseDesk::Worker {
  // Set at the start.
  std::string name;
  HolderId holder = kNoHolder;
  int64_t queue_count_max = 0;  // with a DueScope
  bool is_dequeue = false;
  int64_t deliveries_max = 0;  // with a QueueScope; 0: no limit
  std::string grant;
  std::shared_ptr<Store::LeaseSink> sink;

  // Of the task that serves it.
  std::optional<QueueWalk> walk;
  std::vector<Feed::Entry> found;  // by `walk`, and not leased yet; in reverse order
  int64_t handed_out = 0;

  // Guarded by the engine's lock.
  int64_t credit = 0;
  bool is_credit_new = false;  // a QueueScope is told when that finds nothing
  bool is_served = false;      // a task is there
  bool serve_again = false;    // and looks once more at its end
  bool is_throttled = false;   // until OnRoom
  bool is_closed = false;
  Schedule::QueueKeys paused;  // with a DueScope
  uint64_t seen_offers = 0;    // of its queue, when it was last found empty

  // Those before the one that is refused are paused.
  absl::Status Pause(const google::protobuf::RepeatedPtrField<v1::QueueName>& queues) {
    for (const v1::QueueName& queue : queues) {
      if (absl::Status status = CheckQueueName(queue); !status.ok()) return status;
      if (paused.size() >= kPausedQueuesMax) {
        return absl::InvalidArgumentError("too many queues are paused");
      }
      paused.insert(QueueKey(queue));
    }
    return absl::OkStatus();
  }
};

namespace {

// A lease between being taken and being sent: the lease itself may end at any time.
struct Taken {
  uint64_t fence = 0;
  Position position;
  std::string queue_key;
  std::shared_ptr<records::DeliveryRecord> record;
  v1::LeasedDelivery leased;
  absl::Status status;
};

Taken MakeTaken(const Lease& lease) {
  return {.fence = lease.fence, .position = lease.position, .queue_key = lease.queue->key()};
}

// Reads what `taken` is of. NOT_FOUND: the delivery is done, or elsewhere.
absl::Status Read(Database& database, Taken& taken) {
  if (taken.record == nullptr) {
    auto record = ReadDelivery(database, taken.position.delivery_id);
    if (!record.ok()) return record.status();
    taken.record = *std::move(record);
  }
  if (PositionOf(taken.position.delivery_id, *taken.record) != taken.position ||
      QueueKey(taken.record->queue()) != taken.queue_key) {
    return absl::NotFoundError("elsewhere");
  }
  return ReadLeased(database, *taken.record, taken.leased);
}

// Puts a damaged delivery out of everybody's way. True when it is to be parked; what could not be
// read at all is left alone until the next start.
bool SetAside(Engine& engine, Lease* lease, const Taken& taken) {
  engine.schedule.leases().Detach(lease);
  lease->is_settling = true;
  engine.metrics.integrity_errors->Increment();
  const bool has_record = taken.record != nullptr;
  std::string message;
  if (has_record) {
    const auto id = base::MessageId::FromBytes(taken.record->message_id());
    if (id.ok()) message = id->ToString();
  }
  TURNPIKE_LOG(kError, "damaged delivery set aside",
               {{"delivery", taken.position.delivery_id},
                {"message", message},
                {"error", taken.status.ToString()}});
  return has_record && absl::IsDataLoss(taken.status);
}

}  // namespace

class LeaseDesk::WorkerHandle : public Store::Consumer {
 public:
  WorkerHandle(LeaseDesk& desk, std::shared_ptr<Worker> worker)
      : desk_(desk), worker_(std::move(worker)) {}
  ~WorkerHandle() override { desk_.Close(worker_); }
  void Handle(const v1::LeaseRequest& request) override { desk_.Handle(worker_, request); }
  void OnRoom() override { desk_.Room(worker_); }

 private:
  LeaseDesk& desk_;
  const std::shared_ptr<Worker> worker_;
};

absl::StatusOr<std::unique_ptr<Store::Consumer>> LeaseDesk::Open(
    const v1::LeaseOpen& open, std::shared_ptr<Store::LeaseSink> sink) {
  auto worker = std::make_shared<Worker>();
  worker->name = open.worker();
  worker->sink = std::move(sink);
  absl::Duration duration = absl::Seconds(open.lease_duration().seconds()) +
                            absl::Nanoseconds(open.lease_duration().nanos());
  if (duration == absl::ZeroDuration())
    duration = absl::Milliseconds(engine_.lease_duration_ms.load());
  if (duration < kLeaseDurationMin || duration > kLeaseDurationMax) {
    return absl::InvalidArgumentError("lease_duration must be 10s to 1h");
  }
  if (open.has_due()) {
    const int32_t limit = open.due().deliveries_per_queue_max();
    if (limit < 0) return absl::InvalidArgumentError("deliveries_per_queue_max is negative");
    worker->queue_count_max = limit > 0 ? limit : engine_.leases_per_queue_max.load();
    if (absl::Status status = worker->Pause(open.due().paused()); !status.ok()) return status;
  } else if (open.has_queue()) {
    const v1::QueueScope& scope = open.queue();
    if (absl::Status status = CheckQueueName(scope.queue()); !status.ok()) return status;
    if (scope.recipient_domains().empty()) {
      return absl::InvalidArgumentError("a queue's mail is handed out for named domains only");
    }
    worker->is_dequeue = true;
    worker->deliveries_max = scope.deliveries_max();
    worker->grant = scope.grant();
    worker->walk.emplace(engine_, scope);
  } else {
    return absl::InvalidArgumentError("lease without a scope");
  }
  if (engine_.draining) return absl::UnavailableError("the spool is being shut down");
  {
    absl::MutexLock lock(&engine_.mu);
    worker->holder = engine_.schedule.leases().AddHolder(duration);
    workers_.push_back(worker);
  }
  if (worker->is_dequeue) {
    TURNPIKE_LOG(kInfo, "queue is being handed out",
                 {{"queue", QueueText(open.queue().queue())},
                  {"worker", worker->name},
                  {"grant", worker->grant}});
  }
  return std::make_unique<WorkerHandle>(*this, std::move(worker));
}

void LeaseDesk::Close(const std::shared_ptr<Worker>& worker) {
  absl::MutexLock lock(&engine_.mu);
  worker->is_closed = true;
  workers_.erase(std::remove(workers_.begin(), workers_.end(), worker), workers_.end());
  engine_.schedule.EndHolder(worker->holder);
  Wake();
}

void LeaseDesk::Handle(const std::shared_ptr<Worker>& worker, const v1::LeaseRequest& request) {
  v1::LeaseResponse response;
  const absl::Time now = engine_.clock.Now();
  {
    absl::MutexLock lock(&engine_.mu);
    LeaseTable& leases = engine_.schedule.leases();
    for (const v1::LeaseToken& token : request.renew()) {
      Lease* lease = leases.Find(token.delivery_id());
      if (lease != nullptr && lease->fence == token.fence() && lease->holder == worker->holder) {
        leases.Renew(lease, now);
      } else {
        *response.add_revoked() = token;
      }
    }
    for (const v1::LeaseToken& token : request.hand_back()) {
      Lease* lease = leases.Find(token.delivery_id());
      if (lease != nullptr && lease->fence == token.fence() && lease->holder == worker->holder &&
          !lease->is_settling) {
        engine_.schedule.Return(lease);
      }
    }
    if (const absl::Status status = worker->Pause(request.pause()); !status.ok()) {
      TURNPIKE_LOG(kError, "queue is not left out",
                   {{"worker", worker->name}, {"error", status.ToString()}});
    }
    for (const v1::QueueName& queue : request.resume()) worker->paused.erase(QueueKey(queue));
    if (request.credit() > 0) {
      worker->credit = std::min(worker->credit + request.credit(), kCreditMax);
      worker->is_credit_new = true;
    }
    if (request.credit() > 0 || !request.resume().empty()) Serve(worker);
    if (!request.hand_back().empty()) Wake();
  }
  if (!response.revoked().empty()) worker->sink->OnLeased(std::move(response));
}

void LeaseDesk::Room(const std::shared_ptr<Worker>& worker) {
  absl::MutexLock lock(&engine_.mu);
  if (!worker->is_throttled) return;
  worker->is_throttled = false;
  Serve(worker);
}

void LeaseDesk::Wake() {
  for (const std::shared_ptr<Worker>& worker : workers_) {
    if (worker->credit <= 0 || worker->is_throttled) continue;
    if (!worker->is_dequeue) {
      if (engine_.schedule.has_due_work()) Serve(worker);
      continue;
    }
    const Queue* queue = engine_.schedule.Find(worker->walk->queue_key());
    if (queue != nullptr && queue->offers() != worker->seen_offers) Serve(worker);
  }
}

void LeaseDesk::Tick(absl::Time now) {
  struct Told {
    std::shared_ptr<Store::LeaseSink> sink;
    v1::LeaseResponse response;
  };
  std::vector<Told> told;
  {
    absl::MutexLock lock(&engine_.mu);
    engine_.schedule.EndExpired(now, [&](const Lease& lease) {
      for (const std::shared_ptr<Worker>& worker : workers_) {
        if (worker->holder != lease.holder) continue;
        engine_.metrics.leases_expired[worker->is_dequeue ? Metrics::kDequeue : Metrics::kDelivery]
            ->Increment();
        Told& one = told.emplace_back();
        one.sink = worker->sink;
        v1::LeaseToken& token = *one.response.add_revoked();
        token.set_delivery_id(lease.delivery_id);
        token.set_fence(lease.fence);
      }
    });
    engine_.schedule.Tick(now);
    Wake();
  }
  for (Told& one : told) one.sink->OnLeased(std::move(one.response));
}

void LeaseDesk::Serve(const std::shared_ptr<Worker>& worker) {
  if (worker->is_served) {
    worker->serve_again = true;
    return;
  }
  worker->is_served = true;
  engine_.pool.Post([this, worker] { Run(worker); });
}

void LeaseDesk::Run(const std::shared_ptr<Worker>& worker) {
  while (true) {
    while (RunOnce(*worker)) {
    }
    absl::MutexLock lock(&engine_.mu);
    if (worker->serve_again && !worker->is_throttled && !worker->is_closed) {
      worker->serve_again = false;
      continue;
    }
    worker->is_served = worker->serve_again = false;
    return;
  }
}

// Room may come between asking and stopping; so this asks once more after it has said that it
// stops.
bool LeaseDesk::HasRoom(Worker& worker) {
  if (worker.sink->HasRoom()) return true;
  {
    absl::MutexLock lock(&engine_.mu);
    worker.is_throttled = true;
  }
  if (!worker.sink->HasRoom()) return false;
  absl::MutexLock lock(&engine_.mu);
  worker.is_throttled = false;
  return true;
}

// One response. False: nothing more can be done now.
bool LeaseDesk::RunOnce(Worker& worker) {
  if (!HasRoom(worker)) return false;
  const absl::Time now = engine_.clock.Now();
  std::vector<Taken> taken;
  std::optional<Section> refill;
  std::optional<Position> refill_after;
  std::string refill_queue;
  uint64_t offers = 0;
  int64_t count = 0;
  const bool holding_back = engine_.holding_back;

  // Which ones.
  {
    absl::MutexLock lock(&engine_.mu);
    if (worker.is_closed || engine_.draining || !engine_.writable) return false;
    count = std::min(worker.credit, kBatchMax);
    if (count <= 0) return false;
    if (!worker.is_dequeue && (holding_back || now < engine_.hand_out_from)) return false;
    if (worker.is_dequeue) {
      const Queue* queue = engine_.schedule.Find(worker.walk->queue_key());
      if (queue != nullptr) offers = queue->offers();
    } else {
      Schedule::Picked picked = engine_.schedule.PickDue(worker.holder,
                                                         {.count = static_cast<int>(count),
                                                          .queue_count_max = worker.queue_count_max,
                                                          .bytes_max = kBatchBytesMax,
                                                          .paused = &worker.paused},
                                                         now);
      for (const Lease* lease : picked.leases) taken.push_back(MakeTaken(*lease));
      if (picked.refill.has_value()) {
        refill = picked.refill->second;
        refill_queue = picked.refill->first->key();
        refill_after = picked.refill->first->feed(*refill).BeginRefill();
      }
      worker.credit -= static_cast<int64_t>(taken.size());
    }
  }
  bool is_drained = false;
  if (worker.is_dequeue) {
    if (worker.deliveries_max > 0) {
      count = std::min(count, worker.deliveries_max - worker.handed_out);
    }
    int64_t bytes = 0;
    // What is on its way to another shard is handed out there.
    while (!holding_back && static_cast<int64_t>(taken.size()) < count && bytes < kBatchBytesMax) {
      if (worker.found.empty()) {
        worker.found = worker.walk->Next(static_cast<size_t>(kBatchMax));
        std::reverse(worker.found.begin(), worker.found.end());
      }
      if (worker.found.empty()) break;
      const auto [position, facts] = worker.found.back();
      worker.found.pop_back();
      // Records are read before the lease is taken: what does not concern this worker stays free.
      auto record = ReadDelivery(engine_.database, position.delivery_id);
      if (record.ok() && !worker.walk->Admits(**record)) continue;
      if (absl::IsNotFound(record.status())) continue;
      absl::MutexLock lock(&engine_.mu);
      if (worker.is_closed) return false;
      Lease* lease = engine_.schedule.LeaseAt(engine_.schedule.GetOrMake(worker.walk->queue_key()),
                                              position, facts, worker.holder, now);
      if (lease == nullptr) continue;
      --worker.credit;
      ++worker.handed_out;
      bytes += facts.content_bytes;
      // The record is read again below: a settlement may have changed it before the lease was
      // taken.
      taken.push_back(MakeTaken(*lease));
    }
    is_drained = static_cast<int64_t>(taken.size()) < count ||
                 (worker.deliveries_max > 0 && worker.handed_out >= worker.deliveries_max);
    if (bytes >= kBatchBytesMax) is_drained = false;
  }

  // From the disk.
  for (Taken& one : taken) one.status = Read(engine_.database, one);
  absl::StatusOr<ScanResult> scanned = ScanResult();
  bool is_scan_broken = false;
  if (refill.has_value()) {
    scanned = ScanSection(engine_.database, refill_queue, *refill, refill_after, Feed::kWindowMax);
    if (!scanned.ok()) {
      TURNPIKE_LOG(kError, "index cannot be read", {{"error", scanned.status().ToString()}});
      scanned = ScanResult();
      is_scan_broken = true;
    }
  }

  v1::LeaseResponse response;
  std::vector<std::pair<uint64_t, std::shared_ptr<records::DeliveryRecord>>> park;
  bool goes_on = !taken.empty() || (refill.has_value() && !is_scan_broken);
  {
    absl::MutexLock lock(&engine_.mu);
    for (Taken& one : taken) {
      Lease* lease = engine_.schedule.leases().Find(one.position.delivery_id);
      if (lease == nullptr || lease->fence != one.fence) continue;
      if (!one.status.ok()) {
        ++worker.credit;
        if (absl::IsNotFound(one.status)) {
          engine_.schedule.Undo(lease);
        } else if (SetAside(engine_, lease, one)) {
          park.emplace_back(one.position.delivery_id, one.record);
        }
        continue;
      }
      lease->record = one.record;
      v1::LeasedDelivery& leased = *response.add_deliveries();
      leased.Swap(&one.leased);
      leased.mutable_token()->set_delivery_id(one.position.delivery_id);
      leased.mutable_token()->set_fence(one.fence);
      if (!leased.has_route() && lease->queue->record().has_route()) {
        *leased.mutable_route() = lease->queue->record().route();
      }
      leased.set_held(lease->queue->StateAt(one.position) == v1::DELIVERY_STATE_HELD);
    }
    if (refill.has_value()) {
      if (Queue* queue = engine_.schedule.Find(refill_queue); queue != nullptr) {
        engine_.schedule.EndRefill(*queue, *refill, scanned->entries, scanned->reached_end);
      }
      Wake();
    }
    if (is_drained) {
      worker.seen_offers = offers;
      response.set_drained(worker.credit > 0 &&
                           (worker.is_credit_new || !response.deliveries().empty()));
      worker.is_credit_new = false;
      goes_on = false;
    }
  }
  for (auto& [id, record] : park) SubmitPark(engine_, id, std::move(record));
  if (!response.deliveries().empty() || response.drained()) {
    worker.sink->OnLeased(std::move(response));
  }
  return goes_on;
}

void LeaseDesk::Measure() {
  int64_t counts[Metrics::kWorkers] = {};
  absl::Time oldest[Metrics::kWorkers] = {absl::InfiniteFuture(), absl::InfiniteFuture()};
  {
    absl::MutexLock lock(&engine_.mu);
    for (const std::shared_ptr<Worker>& worker : workers_) {
      const int kind = worker->is_dequeue ? Metrics::kDequeue : Metrics::kDelivery;
      counts[kind] += engine_.schedule.leases().count_of(worker->holder);
      oldest[kind] = std::min(oldest[kind], engine_.schedule.leases().oldest_of(worker->holder));
    }
  }
  for (int kind = 0; kind < Metrics::kWorkers; ++kind) {
    engine_.metrics.leases[kind]->Set(static_cast<double>(counts[kind]));
    const bool any = oldest[kind] != absl::InfiniteFuture();
    engine_.metrics.oldest_lease[kind]->Set(
        any ? absl::ToDoubleSeconds(oldest[kind] - absl::UnixEpoch()) : 0);
  }
}

std::string LeaseDesk::WorkerOf(HolderId holder) const {
  for (const std::shared_ptr<Worker>& worker : workers_) {
    if (worker->holder == holder) return worker->name;
  }
  return "";
}

}  // namespace turnpike::spool
