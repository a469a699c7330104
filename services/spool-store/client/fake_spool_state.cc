// What a FakeSpool makes of messages, settlements, releases and an operator's changes.
#include "services/spool-store/client/fake_spool_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace turnpike::spool {

std::string FakeSpool::State::QueueKey(const v1::QueueName& queue) {
  return absl::StrCat(queue.name(), "/", static_cast<int>(queue.kind()));
}

absl::Time FakeSpool::State::ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void FakeSpool::State::SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

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

}  // namespace turnpike::spool
