#include "services/spool-store/client/fake_spool.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::spool {
namespace {

using Task = absl::AnyInvocable<void()>;

std::string QueueKey(const v1::QueueName& queue) {
  return absl::StrCat(queue.name(), "/", static_cast<int>(queue.kind()));
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

std::string Domain(absl::string_view address) {
  const size_t at = address.rfind('@');
  return at == address.npos ? "" : absl::AsciiStrToLower(address.substr(at + 1));
}

// A lease stream as the spool sees it.
struct Consumer {
  v1::LeaseOpen open;
  std::shared_ptr<LeaseStream::Handler> handler;
  int64_t credit = 0;
  bool credit_is_new = false;  // so that it is told when that finds nothing
  int64_t handed_out = 0;
  std::set<uint64_t> seen;               // with a QueueScope: handed out before
  std::map<std::string, int64_t> turns;  // with a DueScope: deliveries had of each queue
  std::set<std::string> paused;
};

struct Item {
  v1::Delivery delivery;  // its state is what it is without the lease
  std::vector<int32_t> indexes;
  v1::NewMessage message;  // without content
  bool delay_warned = false;
  absl::Time first_attempt = absl::InfinitePast();
  uint64_t fence = 0;          // of the last lease
  uint64_t settled_fence = 0;  // of the last settlement
  std::shared_ptr<Consumer> holder;
  absl::Time lease_end;
  // Of an operator.
  std::optional<turnpike::mail::v1::Reply> return_reply;
  std::optional<turnpike::mail::v1::Route> route;
};

struct Queue {
  v1::QueueName name;
  turnpike::mail::v1::Route route;
  bool has_route = false;
  std::optional<absl::Time> released;
};

}  // namespace

class FakeSpool::State {
 public:
  State(const base::Clock& clock, uint32_t shard) : clock_(clock), last_id_(FirstIdOf(shard)) {}

  // Runs `change` under the lock, then the callbacks that it has queued.
  template <typename Change>
  void Do(const Change& change) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      absl::MutexLock lock(&mu_);
      change(*this);
      Dispatch();
    }
    RunTasks();
  }

  void AwaitTasks() {
    absl::MutexLock lock(&mu_);
    const auto is_idle = [this] {
      mu_.AssertHeld();
      return !running_tasks_ && tasks.empty();
    };
    mu_.Await(absl::Condition(&is_idle));
  }

  void Answer(Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    (hold_answers ? held_answers : tasks).push_back(std::move(task));
  }

  absl::Status Store(const v1::NewMessage& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::SettleOutcome Settle(const v1::Settlement& settlement) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::ReleaseQueueResponse Release(const v1::ReleaseQueueRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<v1::UpdateDeliveryResponse> Update(const v1::UpdateDeliveryRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::QueueStats Stats(const v1::QueueName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndStream(const std::shared_ptr<Consumer>& consumer, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndExpiredLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Queue& QueueOf(const v1::QueueName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Queue& queue = queues[QueueKey(name)];
    queue.name = name;
    return queue;
  }
  // The lease that `token` names, if it is running.
  Item* Leased(const v1::LeaseToken& token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto found = items.find(token.delivery_id());
    if (found == items.end() || found->second.holder == nullptr) return nullptr;
    return found->second.fence == token.fence() ? &found->second : nullptr;
  }
  absl::Time Now() const { return clock_.Now(); }
  absl::Mutex& mu() ABSL_LOCK_RETURNED(mu_) { return mu_; }

  absl::Status enqueue_status;
  std::optional<absl::StatusOr<v1::SettleOutcome>> settle_result;
  absl::Status queue_status;
  absl::Status read_status;
  absl::Status lease_status;
  bool hold_answers = false;
  std::deque<Task> tasks;
  std::deque<Task> held_answers;
  std::map<std::string, std::string> chunks;    // content of messages that are not committed yet
  std::map<std::string, std::string> contents;  // by message id
  int64_t content_bytes_read = 0;
  std::vector<v1::NewMessage> messages;
  std::map<uint64_t, Item> items;
  std::map<std::string, Queue> queues;
  std::vector<v1::Settlement> settlements;
  std::vector<v1::ReleaseQueueRequest> releases;
  std::vector<std::shared_ptr<Consumer>> consumers;

 private:
  bool IsDue(const Item& item) const {
    return item.delivery.state() == v1::DELIVERY_STATE_READY ||
           (item.delivery.state() == v1::DELIVERY_STATE_DEFERRED &&
            ToTime(item.delivery.next_attempt_time()) <= Now());
  }
  bool Wants(const Consumer& consumer, const Item& item) const;
  Item* Next(const Consumer& consumer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::LeasedDelivery Lease(const std::shared_ptr<Consumer>& consumer, Item& item)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunTasks() ABSL_LOCKS_EXCLUDED(mu_);

  const base::Clock& clock_;
  mutable absl::Mutex mu_;
  bool running_tasks_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_);
  uint64_t last_fence_ ABSL_GUARDED_BY(mu_) = 0;
};

absl::Status FakeSpool::State::Store(const v1::NewMessage& message) {
  if (message.message_id().size() != 16 || message.deliveries().empty()) {
    return absl::InvalidArgumentError("message without id or deliveries");
  }
  for (const v1::NewDelivery& delivery : message.deliveries()) {
    if (delivery.recipients().empty()) return absl::InvalidArgumentError("no recipients");
  }
  if (contents.contains(message.message_id())) return absl::OkStatus();  // repeated
  std::string content = message.inline_content();
  if (content.empty() && message.content_bytes() > 0) {
    auto found = chunks.find(message.message_id());
    if (found == chunks.end()) return absl::AbortedError("no chunks");
    content = std::move(found->second);
    chunks.erase(found);
  }
  if (static_cast<int64_t>(content.size()) != message.content_bytes()) {
    return absl::InvalidArgumentError("content_bytes is not the size of the content");
  }
  v1::NewMessage stored = message;
  stored.set_inline_content(content);
  messages.push_back(stored);
  contents[message.message_id()] = std::move(content);
  stored.clear_inline_content();
  for (const v1::NewDelivery& delivery : message.deliveries()) {
    Item& item = items[++last_id_];
    item.message = stored;
    item.delivery.set_delivery_id(last_id_);
    item.delivery.set_message_id(message.message_id());
    *item.delivery.mutable_queue() = delivery.queue();
    item.delivery.set_state(delivery.hold() ? v1::DELIVERY_STATE_HELD : v1::DELIVERY_STATE_READY);
    *item.delivery.mutable_envelope() = message.envelope();
    *item.delivery.mutable_recipients() = delivery.recipients();
    *item.delivery.mutable_received_time() = message.received_time();
    *item.delivery.mutable_client() = message.client();
    item.delivery.set_content_bytes(message.content_bytes());
    for (int i = 0; i < delivery.recipients_size(); ++i) item.indexes.push_back(i);
    QueueOf(delivery.queue());
  }
  return absl::OkStatus();
}

v1::SettleOutcome FakeSpool::State::Settle(const v1::Settlement& settlement) {
  auto found = items.find(settlement.token().delivery_id());
  if (found == items.end()) return v1::SETTLE_OUTCOME_GONE;
  Item& item = found->second;
  const uint64_t fence = settlement.token().fence();
  if (fence <= item.settled_fence) return v1::SETTLE_OUTCOME_GONE;
  if (fence > item.fence) return v1::SETTLE_OUTCOME_INVALID;
  if (item.holder != nullptr && fence < item.fence) return v1::SETTLE_OUTCOME_LOST;
  for (const v1::RecipientOutcome& outcome : settlement.outcomes()) {
    if (outcome.disposition() == v1::DISPOSITION_UNSPECIFIED) return v1::SETTLE_OUTCOME_INVALID;
  }
  for (const v1::NewMessage& message : settlement.follow_ups()) {
    if (!Store(message).ok()) return v1::SETTLE_OUTCOME_INVALID;
  }

  v1::Delivery& delivery = item.delivery;
  bool unknown = false;
  for (const v1::RecipientOutcome& outcome : settlement.outcomes()) {
    auto index = std::find(item.indexes.begin(), item.indexes.end(), outcome.index());
    if (index == item.indexes.end()) continue;
    const bool left = outcome.disposition() == v1::DISPOSITION_DELAYED ||
                      outcome.disposition() == v1::DISPOSITION_UNKNOWN;
    unknown = unknown || outcome.disposition() == v1::DISPOSITION_UNKNOWN;
    auto& last = *delivery.mutable_last_outcomes();
    for (int i = last.size() - 1; i >= 0; --i) {
      if (last[i].index() == outcome.index()) last.DeleteSubrange(i, 1);
    }
    if (left) {
      *last.Add() = outcome;
    } else {
      const int at = static_cast<int>(index - item.indexes.begin());
      delivery.mutable_recipients()->DeleteSubrange(at, 1);
      item.indexes.erase(index);
    }
  }
  item.settled_fence = fence;
  item.holder = nullptr;
  item.delay_warned = item.delay_warned || settlement.delay_warned();
  if (item.indexes.empty()) {
    items.erase(found);
    return v1::SETTLE_OUTCOME_SETTLED;
  }
  if (!settlement.outcomes().empty()) {
    SetTime(Now(), delivery.mutable_last_attempt_time());
    delivery.set_outcome_unknown(unknown);
  }
  if (settlement.has_defer_until() || settlement.has_park()) {
    delivery.set_attempts(delivery.attempts() + 1);
    if (item.first_attempt == absl::InfinitePast()) item.first_attempt = Now();
  }
  if (settlement.has_defer_until()) {
    delivery.set_state(v1::DELIVERY_STATE_DEFERRED);
    *delivery.mutable_next_attempt_time() = settlement.defer_until();
  } else if (settlement.has_park()) {
    delivery.set_state(v1::DELIVERY_STATE_PARKED);
  }
  return v1::SETTLE_OUTCOME_SETTLED;
}

v1::ReleaseQueueResponse FakeSpool::State::Release(const v1::ReleaseQueueRequest& request) {
  v1::ReleaseQueueResponse response;
  Queue& queue = QueueOf(request.queue());
  if (request.has_route()) {
    queue.route = request.route();
    queue.has_route = true;
  }
  queue.released = Now();
  int64_t released = 0;
  int64_t pending = 0;
  for (auto& [id, item] : items) {
    v1::Delivery& delivery = item.delivery;
    if (QueueKey(delivery.queue()) != QueueKey(request.queue())) continue;
    if (delivery.state() == v1::DELIVERY_STATE_PARKED) continue;
    const bool held = delivery.state() == v1::DELIVERY_STATE_HELD && item.holder == nullptr;
    ++(held ? released : pending);
    delivery.set_state(v1::DELIVERY_STATE_READY);
    delivery.clear_next_attempt_time();
  }
  response.set_released(released);
  response.set_pending(pending);
  return response;
}

absl::StatusOr<v1::UpdateDeliveryResponse> FakeSpool::State::Update(
    const v1::UpdateDeliveryRequest& request) {
  auto found = items.find(request.delivery_id());
  if (found == items.end()) return absl::NotFoundError("no such delivery");
  Item& item = found->second;
  if (item.holder != nullptr) return absl::FailedPreconditionError("the delivery is leased");
  v1::Delivery& delivery = item.delivery;
  item.return_reply = std::nullopt;
  switch (request.change_case()) {
    case v1::UpdateDeliveryRequest::kHold:
      delivery.set_state(v1::DELIVERY_STATE_HELD);
      break;
    case v1::UpdateDeliveryRequest::kMakeDue:
      delivery.set_state(v1::DELIVERY_STATE_READY);
      break;
    case v1::UpdateDeliveryRequest::kDelete:
      items.erase(found);
      return v1::UpdateDeliveryResponse();
    case v1::UpdateDeliveryRequest::kMoveTo:
      *delivery.mutable_queue() = request.move_to();
      item.route = std::nullopt;
      QueueOf(request.move_to());
      break;
    case v1::UpdateDeliveryRequest::kReturnToSender:
      delivery.set_state(v1::DELIVERY_STATE_READY);
      item.return_reply = request.return_to_sender();
      break;
    case v1::UpdateDeliveryRequest::kReroute:
      delivery.set_state(v1::DELIVERY_STATE_READY);
      item.route = request.reroute();
      break;
    case v1::UpdateDeliveryRequest::CHANGE_NOT_SET:
      return absl::InvalidArgumentError("no change is asked for");
  }
  if (delivery.state() != v1::DELIVERY_STATE_DEFERRED) delivery.clear_next_attempt_time();
  v1::UpdateDeliveryResponse response;
  *response.mutable_delivery() = delivery;
  return response;
}

v1::QueueStats FakeSpool::State::Stats(const v1::QueueName& name) {
  v1::QueueStats stats;
  *stats.mutable_queue() = name;
  for (const auto& [id, item] : items) {
    const v1::Delivery& delivery = item.delivery;
    if (QueueKey(delivery.queue()) != QueueKey(name)) continue;
    stats.set_bytes(stats.bytes() + delivery.content_bytes());
    if (!stats.has_oldest_time()) *stats.mutable_oldest_time() = delivery.received_time();
    if (item.holder != nullptr) {
      stats.set_leased(stats.leased() + 1);
    } else if (IsDue(item)) {
      stats.set_ready(stats.ready() + 1);
    } else if (delivery.state() == v1::DELIVERY_STATE_HELD) {
      stats.set_held(stats.held() + 1);
    } else if (delivery.state() == v1::DELIVERY_STATE_DEFERRED) {
      stats.set_deferred(stats.deferred() + 1);
      if (!stats.has_next_attempt_time() ||
          ToTime(delivery.next_attempt_time()) < ToTime(stats.next_attempt_time())) {
        *stats.mutable_next_attempt_time() = delivery.next_attempt_time();
      }
    }
  }
  auto queue = queues.find(QueueKey(name));
  if (queue != queues.end()) {
    if (queue->second.has_route) *stats.mutable_route() = queue->second.route;
    if (queue->second.released.has_value()) {
      SetTime(*queue->second.released, stats.mutable_last_release_time());
    }
  }
  return stats;
}

void FakeSpool::State::EndStream(const std::shared_ptr<Consumer>& consumer,
                                 const absl::Status& status) {
  auto found = std::find(consumers.begin(), consumers.end(), consumer);
  if (found == consumers.end()) return;
  consumers.erase(found);
  for (auto& [id, item] : items) {
    if (item.holder == consumer) item.holder = nullptr;
  }
  tasks.push_back([handler = consumer->handler, status] { handler->OnClosed(status); });
}

void FakeSpool::State::EndExpiredLeases() {
  for (auto& [id, item] : items) {
    if (item.holder == nullptr || item.lease_end > Now()) continue;
    v1::LeaseResponse response;
    v1::LeaseToken& token = *response.add_revoked();
    token.set_delivery_id(id);
    token.set_fence(item.fence);
    tasks.push_back([handler = item.holder->handler, response = std::move(response)]() mutable {
      handler->OnLeased(std::move(response));
    });
    item.holder = nullptr;
  }
}

bool FakeSpool::State::Wants(const Consumer& consumer, const Item& item) const {
  if (item.holder != nullptr || item.delivery.state() == v1::DELIVERY_STATE_PARKED) return false;
  if (consumer.open.has_queue()) {
    const v1::QueueScope& scope = consumer.open.queue();
    if (QueueKey(scope.queue()) != QueueKey(item.delivery.queue())) return false;
    if (consumer.seen.contains(item.delivery.delivery_id())) return false;
    if (scope.deliveries_max() > 0 && consumer.handed_out >= scope.deliveries_max()) return false;
    if (item.return_reply.has_value()) return false;  // for a worker of all queues
    if (scope.has_received_before() &&
        ToTime(item.delivery.received_time()) >= ToTime(scope.received_before())) {
      return false;
    }
    return std::all_of(item.delivery.recipients().begin(), item.delivery.recipients().end(),
                       [&](const turnpike::mail::v1::Recipient& recipient) {
                         const auto& domains = scope.recipient_domains();
                         return std::find(domains.begin(), domains.end(),
                                          Domain(recipient.address())) != domains.end();
                       });
  }
  return IsDue(item) && !consumer.paused.contains(QueueKey(item.delivery.queue()));
}

Item* FakeSpool::State::Next(const Consumer& consumer) {
  Item* best = nullptr;
  int64_t best_turn = 0;
  for (auto& [id, item] : items) {
    if (!Wants(consumer, item)) continue;
    const std::string queue = QueueKey(item.delivery.queue());
    const int64_t limit = consumer.open.due().deliveries_per_queue_max();
    if (consumer.open.has_due() && limit > 0) {
      const int64_t leased = std::count_if(items.begin(), items.end(), [&](const auto& other) {
        return other.second.holder.get() == &consumer &&
               QueueKey(other.second.delivery.queue()) == queue;
      });
      if (leased >= limit) continue;
    }
    auto turn = consumer.turns.find(queue);
    const int64_t turns = turn == consumer.turns.end() ? 0 : turn->second;
    if (best == nullptr || turns < best_turn) {
      best = &item;
      best_turn = turns;
    }
  }
  return best;
}

v1::LeasedDelivery FakeSpool::State::Lease(const std::shared_ptr<Consumer>& consumer, Item& item) {
  const v1::Delivery& delivery = item.delivery;
  item.holder = consumer;
  item.fence = ++last_fence_;
  const v1::LeaseOpen& open = consumer->open;
  absl::Duration duration = absl::Seconds(open.lease_duration().seconds()) +
                            absl::Nanoseconds(open.lease_duration().nanos());
  if (duration <= absl::ZeroDuration()) duration = absl::Minutes(5);
  item.lease_end = Now() + duration;
  --consumer->credit;
  ++consumer->handed_out;
  consumer->seen.insert(delivery.delivery_id());
  if (open.has_due()) ++consumer->turns[QueueKey(delivery.queue())];

  v1::LeasedDelivery leased;
  leased.mutable_token()->set_delivery_id(delivery.delivery_id());
  leased.mutable_token()->set_fence(item.fence);
  *leased.mutable_queue() = delivery.queue();
  leased.set_message_id(delivery.message_id());
  *leased.mutable_envelope() = delivery.envelope();
  *leased.mutable_recipients() = delivery.recipients();
  for (int32_t index : item.indexes) leased.add_recipient_indexes(index);
  *leased.mutable_received_time() = delivery.received_time();
  leased.set_attempts(delivery.attempts());
  const Queue& queue = QueueOf(delivery.queue());
  if (item.route.has_value()) {
    *leased.mutable_route() = *item.route;
  } else if (queue.has_route) {
    *leased.mutable_route() = queue.route;
  }
  if (item.return_reply.has_value()) *leased.mutable_return_reply() = *item.return_reply;
  *leased.mutable_client() = delivery.client();
  leased.set_content_bytes(delivery.content_bytes());
  const std::string& content = contents[delivery.message_id()];
  if (content.size() <= kInlineContentBytesMax) leased.set_inline_content(content);
  if (item.first_attempt != absl::InfinitePast()) {
    SetTime(item.first_attempt, leased.mutable_first_attempt_time());
  }
  leased.set_delay_warned(item.delay_warned);
  leased.set_held(delivery.state() == v1::DELIVERY_STATE_HELD);
  return leased;
}

void FakeSpool::State::Dispatch() {
  for (const std::shared_ptr<Consumer>& consumer : consumers) {
    v1::LeaseResponse response;
    while (consumer->credit > 0) {
      Item* item = Next(*consumer);
      if (item == nullptr) break;
      *response.add_deliveries() = Lease(consumer, *item);
    }
    if (consumer->open.has_queue() && consumer->credit > 0 &&
        (consumer->credit_is_new || !response.deliveries().empty())) {
      response.set_drained(true);
    }
    consumer->credit_is_new = false;
    if (response.deliveries().empty() && !response.drained()) continue;
    tasks.push_back([handler = consumer->handler, response = std::move(response)]() mutable {
      handler->OnLeased(std::move(response));
    });
  }
}

void FakeSpool::State::RunTasks() {
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&mu_);
      if (tasks.empty() || running_tasks_) return;
      running_tasks_ = true;
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    task();
    task = nullptr;
    absl::MutexLock lock(&mu_);
    running_tasks_ = false;
  }
}

class FakeSpool::Stream : public LeaseStream {
 public:
  Stream(std::shared_ptr<State> state, std::shared_ptr<Consumer> consumer)
      : state_(std::move(state)), consumer_(std::move(consumer)) {}
  ~Stream() override {
    state_->Do([this](State& state) { state.EndStream(consumer_, absl::CancelledError("ended")); });
  }

  void AddCredit(int32_t deliveries) override {
    state_->Do([&](State&) {
      consumer_->credit += deliveries;
      consumer_->credit_is_new = true;
    });
  }
  void Renew(const v1::LeaseToken& token) override {
    state_->Do([&](State& state) {
      Item* item = state.Leased(token);
      if (item == nullptr || item->holder != consumer_) return;
      const int64_t seconds = consumer_->open.lease_duration().seconds();
      item->lease_end = state.Now() + (seconds > 0 ? absl::Seconds(seconds) : absl::Minutes(5));
    });
  }
  void HandBack(const v1::LeaseToken& token) override {
    state_->Do([&](State& state) {
      Item* item = state.Leased(token);
      if (item != nullptr && item->holder == consumer_) item->holder = nullptr;
    });
  }
  void Pause(const v1::QueueName& queue) override {
    state_->Do([&](State&) { consumer_->paused.insert(QueueKey(queue)); });
  }
  void Resume(const v1::QueueName& queue) override {
    state_->Do([&](State&) { consumer_->paused.erase(QueueKey(queue)); });
  }

 private:
  const std::shared_ptr<State> state_;
  const std::shared_ptr<Consumer> consumer_;
};

class FakeSpool::Reader : public ContentReader {
 public:
  Reader(std::shared_ptr<State> state, std::string id)
      : state_(std::move(state)), id_(std::move(id)) {}

  void Next(NextCallback done) override {
    state_->Do([&](State& state) {
      absl::StatusOr<std::string> piece = NextPiece(state);
      state.tasks.push_back([done = std::move(done), piece = std::move(piece)]() mutable {
        std::move(done)(std::move(piece));
      });
    });
  }

 private:
  absl::StatusOr<std::string> NextPiece(State& state) {
    if (!state.read_status.ok()) return state.read_status;
    auto found = state.contents.find(id_);
    if (found == state.contents.end()) return absl::NotFoundError("no such message");
    std::string piece = found->second.substr(offset_, kInlineContentBytesMax);
    offset_ += piece.size();
    state.content_bytes_read += static_cast<int64_t>(piece.size());
    return piece;
  }

  const std::shared_ptr<State> state_;
  const std::string id_;
  size_t offset_ = 0;
};

FakeSpool::FakeSpool(const base::Clock& clock, uint32_t shard)
    : state_(std::make_shared<State>(clock, shard)) {}

FakeSpool::~FakeSpool() {
  ReleaseAnswers();
  BreakStreams(absl::CancelledError("spool destroyed"));
  state_->AwaitTasks();  // another thread may be at them
}

void FakeSpool::Poll() {
  state_->Do([](State& state) { state.EndExpiredLeases(); });
}

absl::StatusOr<v1::UpdateDeliveryResponse> FakeSpool::UpdateDelivery(
    const v1::UpdateDeliveryRequest& request) {
  absl::StatusOr<v1::UpdateDeliveryResponse> response = v1::UpdateDeliveryResponse();
  state_->Do([&](State& state) { response = state.Update(request); });
  return response;
}

void FakeSpool::SetEnqueueStatus(absl::Status status) {
  state_->Do([&](State& state) { state.enqueue_status = std::move(status); });
}

void FakeSpool::SetSettleResult(std::optional<absl::StatusOr<v1::SettleOutcome>> result) {
  state_->Do([&](State& state) { state.settle_result = std::move(result); });
}

void FakeSpool::SetQueueStatus(absl::Status status) {
  state_->Do([&](State& state) { state.queue_status = std::move(status); });
}

void FakeSpool::SetReadStatus(absl::Status status) {
  state_->Do([&](State& state) { state.read_status = std::move(status); });
}

void FakeSpool::SetLeaseStatus(absl::Status status) {
  state_->Do([&](State& state) { state.lease_status = std::move(status); });
}

void FakeSpool::HoldAnswers() {
  state_->Do([](State& state) { state.hold_answers = true; });
}

void FakeSpool::ReleaseAnswers() {
  state_->Do([](State& state) {
    state.hold_answers = false;
    for (Task& answer : state.held_answers) state.tasks.push_back(std::move(answer));
    state.held_answers.clear();
  });
}

void FakeSpool::BreakStreams(const absl::Status& status) {
  state_->Do([&](State& state) {
    const std::vector<std::shared_ptr<Consumer>> consumers = state.consumers;
    for (const auto& consumer : consumers) state.EndStream(consumer, status);
  });
}

std::vector<v1::NewMessage> FakeSpool::messages() const {
  absl::MutexLock lock(&state_->mu());
  return state_->messages;
}

std::vector<v1::Delivery> FakeSpool::deliveries() const {
  absl::MutexLock lock(&state_->mu());
  std::vector<v1::Delivery> deliveries;
  for (const auto& [id, item] : state_->items) {
    deliveries.push_back(item.delivery);
    if (item.holder == nullptr) continue;
    deliveries.back().set_state(v1::DELIVERY_STATE_LEASED);
    deliveries.back().set_worker(item.holder->open.worker());
  }
  return deliveries;
}

std::vector<v1::Settlement> FakeSpool::settlements() const {
  absl::MutexLock lock(&state_->mu());
  return state_->settlements;
}

std::vector<v1::ReleaseQueueRequest> FakeSpool::releases() const {
  absl::MutexLock lock(&state_->mu());
  return state_->releases;
}

int64_t FakeSpool::content_bytes_read() const {
  absl::MutexLock lock(&state_->mu());
  return state_->content_bytes_read;
}

std::vector<v1::LeaseOpen> FakeSpool::lease_streams() const {
  absl::MutexLock lock(&state_->mu());
  std::vector<v1::LeaseOpen> streams;
  for (const auto& consumer : state_->consumers) streams.push_back(consumer->open);
  return streams;
}

void FakeSpool::Enqueue(v1::NewMessage message, absl::Time, EnqueueCallback done) {
  state_->Do([&](State& state) {
    absl::Status status = state.enqueue_status.ok() ? state.Store(message) : state.enqueue_status;
    state.Answer([done = std::move(done), status]() mutable { std::move(done)(status); });
  });
}

void FakeSpool::AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                              EnqueueCallback done) {
  state_->Do([&](State& state) {
    absl::Status status = state.enqueue_status;
    if (status.ok()) {
      std::string& content = state.chunks[std::string(message_id)];
      if (data.size() > kInlineContentBytesMax) {
        status = absl::InvalidArgumentError("chunk too large");
      } else if (offset != static_cast<int64_t>(content.size())) {
        status = absl::AbortedError("chunks were lost");
      } else {
        content += data;
      }
    }
    state.Answer([done = std::move(done), status]() mutable { std::move(done)(status); });
  });
}

void FakeSpool::AbortContent(absl::string_view message_id) {
  state_->Do([&](State& state) { state.chunks.erase(std::string(message_id)); });
}

std::unique_ptr<LeaseStream> FakeSpool::OpenLease(v1::LeaseOpen open,
                                                  std::shared_ptr<LeaseStream::Handler> handler) {
  auto consumer = std::make_shared<Consumer>();
  consumer->open = std::move(open);
  consumer->handler = std::move(handler);
  for (const v1::QueueName& queue : consumer->open.due().paused()) {
    consumer->paused.insert(QueueKey(queue));
  }
  state_->Do([&](State& state) {
    state.consumers.push_back(consumer);
    if (!state.lease_status.ok()) state.EndStream(consumer, state.lease_status);
  });
  return std::make_unique<Stream>(state_, std::move(consumer));
}

void FakeSpool::Settle(v1::Settlement settlement, absl::Time, SettleCallback done) {
  state_->Do([&](State& state) {
    state.settlements.push_back(settlement);
    absl::StatusOr<v1::SettleOutcome> result =
        state.settle_result.has_value()
            ? *state.settle_result
            : absl::StatusOr<v1::SettleOutcome>(state.Settle(settlement));
    state.Answer([done = std::move(done), result = std::move(result)]() mutable {
      std::move(done)(std::move(result));
    });
  });
}

std::unique_ptr<ContentReader> FakeSpool::ReadContent(uint64_t /*delivery_id*/,
                                                      absl::string_view message_id) {
  return std::make_unique<Reader>(state_, std::string(message_id));
}

void FakeSpool::ReleaseQueue(
    v1::ReleaseQueueRequest request, absl::Time,
    absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) {
  state_->Do([&](State& state) {
    absl::StatusOr<v1::ReleaseQueueResponse> response = v1::ReleaseQueueResponse();
    if (state.queue_status.ok()) {
      state.releases.push_back(request);
      response = state.Release(request);
    } else {
      response = state.queue_status;
    }
    state.tasks.push_back([done = std::move(done), response = std::move(response)]() mutable {
      std::move(done)(std::move(response));
    });
  });
}

void FakeSpool::GetQueue(v1::GetQueueRequest request, absl::Time,
                         absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) {
  state_->Do([&](State& state) {
    absl::StatusOr<v1::GetQueueResponse> response = v1::GetQueueResponse();
    if (state.queue_status.ok()) {
      *response->mutable_stats() = state.Stats(request.queue());
    } else {
      response = state.queue_status;
    }
    state.tasks.push_back([done = std::move(done), response = std::move(response)]() mutable {
      std::move(done)(std::move(response));
    });
  });
}

}  // namespace turnpike::spool
