#include "services/spool-store/storage/queues.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/common/spooled/queue_text.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"
#include "services/spool-store/storage/index_scan.h"

namespace turnpike::spool {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;

v1::QueueStats StatsOf(const v1::QueueName& name, const Queue* queue) {
  v1::QueueStats stats;
  *stats.mutable_queue() = name;
  if (queue == nullptr) return stats;
  stats.set_held(std::max<int64_t>(queue->held(), 0));
  stats.set_ready(std::max<int64_t>(queue->ready(), 0));
  stats.set_deferred(std::max<int64_t>(queue->deferred(), 0));
  stats.set_leased(queue->leased());
  stats.set_bytes(queue->bytes());
  if (auto oldest = queue->oldest_second(); oldest.has_value()) {
    stats.mutable_oldest_time()->set_seconds(*oldest);
  }
  if (auto next = queue->next_due_second(); next.has_value()) {
    stats.mutable_next_attempt_time()->set_seconds(*next);
  }
  if (queue->record().has_route()) *stats.mutable_route() = queue->record().route();
  if (queue->record().last_release_ms() != 0) {
    *stats.mutable_last_release_time() = MsToTimestamp(queue->record().last_release_ms());
  }
  return stats;
}

class ReleaseOperation : public Operation {
 public:
  ReleaseOperation(Engine& engine, v1::ReleaseQueueRequest request,
                   Store::Done<v1::ReleaseQueueResponse> done)
      : engine_(engine),
        request_(std::move(request)),
        queue_key_(QueueKey(request_.queue())),
        done_(std::move(done)) {}

  void Build(CommitContext& context) override {
    rocksdb::ColumnFamilyHandle* family = engine_.database.queue();
    const absl::StatusOr<std::string> bytes = context.Get(family, queue_key_);
    if (!bytes.ok() && !absl::IsNotFound(bytes.status())) {
      status_ = bytes.status();
      return;
    }
    if (bytes.ok() && !record_.ParseFromString(*bytes)) {
      TURNPIKE_LOG(kError, "damaged queue record is replaced",
                   {{"queue", QueueText(request_.queue())}});
      record_.Clear();
    }
    // All that is held now, and its route, by one write (DQ-11). Ids are given in this thread, so
    // whatever comes later has a larger one.
    record_.set_released_up_to(context.last_delivery_id());
    record_.set_release_epoch(record_.release_epoch() + 1);
    if (request_.has_route()) *record_.mutable_route() = request_.route();
    record_.set_last_release_ms(absl::ToUnixMillis(engine_.clock.Now()));
    context.PutTracked(family, queue_key_, record_.SerializeAsString());
  }

  void Apply(bool written) override {
    if (!status_.ok()) return;
    if (!written) {
      status_ = absl::UnavailableError("the spool cannot be written");
      return;
    }
    Queue& queue = engine_.schedule.GetOrMake(queue_key_);
    response_.set_released(std::max<int64_t>(queue.held(), 0));
    response_.set_pending(queue.ready() + queue.deferred() + queue.leased());
    engine_.schedule.Release(queue, std::move(record_));
  }

  void Answer() override {
    if (!status_.ok()) return std::move(done_)(status_);
    std::move(done_)(std::move(response_));
  }

 private:
  Engine& engine_;
  const v1::ReleaseQueueRequest request_;
  const std::string queue_key_;
  Store::Done<v1::ReleaseQueueResponse> done_;
  absl::Status status_;
  records::QueueRecord record_;
  v1::ReleaseQueueResponse response_;
};

absl::Status LoadRecords(Engine& engine) ABSL_EXCLUSIVE_LOCKS_REQUIRED(engine.mu) {
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine.database.db().NewIterator(rocksdb::ReadOptions(), engine.database.queue()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    records::QueueRecord record;
    v1::QueueName name;
    if (!ParseQueueKey(ToView(it->key()), name) ||
        !record.ParseFromArray(it->value().data(), static_cast<int>(it->value().size()))) {
      TURNPIKE_LOG(kError, "damaged queue record is left out", {});
      continue;
    }
    engine.schedule.GetOrMake(ToView(it->key())).SetRecord(std::move(record));
  }
  return FromRocks(it->status());
}

}  // namespace

void SubmitRelease(Engine& engine, v1::ReleaseQueueRequest request,
                   Store::Done<v1::ReleaseQueueResponse> done) {
  if (absl::Status status = CheckQueueName(request.queue()); !status.ok()) {
    return std::move(done)(status);
  }
  engine.committer.Submit(
      std::make_unique<ReleaseOperation>(engine, std::move(request), std::move(done)));
}

absl::StatusOr<v1::ListQueuesResponse> ListQueues(Engine& engine,
                                                  const v1::ListQueuesRequest& request) {
  const int page_size = request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  if (page_size < 1 || page_size > kPageSizeMax) {
    return absl::InvalidArgumentError("page_size must be 1 to 1000");
  }
  v1::ListQueuesResponse response;
  absl::MutexLock lock(&engine.mu);
  const auto& queues = engine.schedule.queues();
  // The token is the last key seen.
  auto it =
      request.page_token().empty() ? queues.begin() : queues.upper_bound(request.page_token());
  for (; it != queues.end(); ++it) {
    const Queue& queue = *it->second;
    if (request.kind() != v1::QUEUE_KIND_UNSPECIFIED && queue.kind() != request.kind()) continue;
    if (queue.empty() && !queue.has_record()) continue;  // about to be forgotten
    v1::QueueName name;
    ParseQueueKey(it->first, name);
    *response.add_queues() = StatsOf(name, &queue);
    if (response.queues_size() == page_size) {
      if (std::next(it) != queues.end()) response.set_next_page_token(it->first);
      break;
    }
  }
  return response;
}

absl::StatusOr<v1::GetQueueResponse> GetQueue(Engine& engine, const v1::GetQueueRequest& request) {
  TURNPIKE_RETURN_IF_ERROR(CheckQueueName(request.queue()));
  v1::GetQueueResponse response;
  absl::MutexLock lock(&engine.mu);
  *response.mutable_stats() =
      StatsOf(request.queue(), engine.schedule.Find(QueueKey(request.queue())));
  return response;
}

absl::Status LoadQueues(Engine& engine) {
  const absl::Time start = absl::Now();
  int64_t deliveries = 0;
  absl::MutexLock lock(&engine.mu);
  TURNPIKE_RETURN_IF_ERROR(LoadRecords(engine));
  engine.schedule.Tick(engine.clock.Now());
  std::string last_key;
  Queue* queue = nullptr;
  TURNPIKE_ASSIGN_OR_RETURN(
      const int64_t unreadable,
      ScanIndex(engine.database, [&](absl::string_view queue_key, const Position& position,
                                     const DeliveryFacts& facts) {
        if (queue == nullptr || queue_key != last_key) {
          last_key = std::string(queue_key);
          queue = &engine.schedule.GetOrMake(queue_key);
        }
        engine.schedule.Add(*queue, position, facts);
        ++deliveries;
      }));
  if (unreadable > 0) {
    engine.metrics.integrity_errors->Increment(static_cast<double>(unreadable));
    TURNPIKE_LOG(kError, "damaged index entries are left out", {{"entries", unreadable}});
  }
  engine.schedule.Tick(engine.clock.Now());
  TURNPIKE_LOG(kInfo, "spool loaded",
               {{"deliveries", deliveries},
                {"queues", static_cast<int64_t>(engine.schedule.queues().size())},
                {"seconds", absl::ToDoubleSeconds(absl::Now() - start)}});
  return absl::OkStatus();
}

void MeasureQueues(Engine& engine) {
  constexpr int kQueuesPerTurn = 1000;
  struct Sum {
    std::array<int64_t, Metrics::kStates> states = {};
    int64_t bytes = 0;
    int64_t oldest = std::numeric_limits<int64_t>::max();
  };
  std::array<Sum, 2> sums;
  std::optional<int64_t> oldest_due;
  int64_t count = 0;
  std::string last;
  for (bool more = true; more;) {
    absl::MutexLock lock(&engine.mu);
    const auto& queues = engine.schedule.queues();
    auto it = last.empty() ? queues.begin() : queues.upper_bound(last);
    for (int i = 0; i < kQueuesPerTurn && it != queues.end(); ++i, ++it) {
      Queue& queue = *it->second;
      if (const auto due = queue.OldestDueSecond(); due.has_value()) {
        oldest_due = std::min(oldest_due.value_or(*due), *due);
      }
      Sum& sum = sums[Metrics::KindIndex(queue.kind())];
      sum.states[Metrics::kReady] += queue.ready();
      sum.states[Metrics::kLeased] += queue.leased();
      sum.states[Metrics::kDeferred] += queue.deferred();
      sum.states[Metrics::kHeld] += queue.held();
      sum.states[Metrics::kParked] += queue.parked();
      sum.bytes += queue.bytes();
      sum.oldest = std::min(sum.oldest, queue.oldest_second().value_or(sum.oldest));
      last = it->first;
      ++count;
    }
    more = it != queues.end();
  }
  for (size_t kind = 0; kind < sums.size(); ++kind) {
    const Sum& sum = sums[kind];
    for (size_t state = 0; state < sum.states.size(); ++state) {
      engine.metrics.deliveries[kind][state]->Set(static_cast<double>(sum.states[state]));
    }
    engine.metrics.bytes[kind]->Set(static_cast<double>(sum.bytes));
    const bool any = sum.oldest != std::numeric_limits<int64_t>::max();
    engine.metrics.oldest_delivery[kind]->Set(any ? static_cast<double>(sum.oldest) : 0);
  }
  engine.metrics.queues->Set(static_cast<double>(count));
  engine.oldest_due_second = oldest_due.value_or(0);
}

}  // namespace turnpike::spool
