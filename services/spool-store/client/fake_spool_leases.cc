// Which stream of a FakeSpool gets which delivery, and how leases end.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "services/spool-store/client/fake_spool_state.h"

namespace turnpike::spool {
namespace {

std::string Domain(absl::string_view address) {
  const size_t at = address.rfind('@');
  return at == address.npos ? "" : absl::AsciiStrToLower(address.substr(at + 1));
}

}  // namespace

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

FakeSpool::State::Item* FakeSpool::State::Next(const Consumer& consumer) {
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

}  // namespace turnpike::spool
