#include "services/spool-store/core/moved_delivery.h"

#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"

namespace turnpike::spool {
namespace {

constexpr size_t kMessageIdBytes = 16;
constexpr size_t kInlineBytesMax = 256 * 1024;

int64_t ToMs(const google::protobuf::Timestamp& timestamp) {
  return absl::ToUnixMillis(FromTimestamp(timestamp));
}

absl::Status Check(const v1::MovedDelivery& moved) {
  if (moved.number() == 0) return absl::InvalidArgumentError("move without a number");
  if (moved.message_id().size() != kMessageIdBytes) {
    return absl::InvalidArgumentError("message_id has not 16 octets");
  }
  if (absl::Status status = CheckQueueName(moved.queue()); !status.ok()) return status;
  if (moved.recipients().empty() || moved.recipients_size() != moved.recipient_indexes_size()) {
    return absl::InvalidArgumentError("recipients and their numbers do not match");
  }
  switch (moved.state()) {
    case v1::DELIVERY_STATE_HELD:
    case v1::DELIVERY_STATE_READY:
    case v1::DELIVERY_STATE_DEFERRED:
    case v1::DELIVERY_STATE_PARKED:
      break;
    default:
      return absl::InvalidArgumentError("state cannot be moved");
  }
  const size_t inline_bytes = moved.inline_content().size();
  if (inline_bytes > kInlineBytesMax || moved.content_bytes() < 0 ||
      (inline_bytes > 0 && static_cast<int64_t>(inline_bytes) != moved.content_bytes())) {
    return absl::InvalidArgumentError("content_bytes is wrong");
  }
  if ((inline_bytes > 0 || moved.content_bytes() == 0) &&
      HashContent(moved.inline_content()) != moved.content_hash()) {
    return absl::DataLossError("content does not match its checksum");
  }
  return absl::OkStatus();
}

}  // namespace

v1::MovedDelivery MakeMoved(uint64_t number, const records::DeliveryRecord& delivery,
                            const records::MessageRecord& message, v1::DeliveryState state,
                            const records::QueueRecord& queue) {
  v1::MovedDelivery moved;
  moved.set_number(number);
  moved.set_message_id(delivery.message_id());
  *moved.mutable_envelope() = message.envelope();
  *moved.mutable_client() = message.client();
  *moved.mutable_received_time() = MsToTimestamp(delivery.received_ms());
  moved.set_content_bytes(message.content_bytes());
  moved.set_content_hash(message.content_hash());
  moved.set_sole(delivery.sole());
  *moved.mutable_queue() = delivery.queue();
  moved.set_state(state);
  if (state == v1::DELIVERY_STATE_DEFERRED) {
    moved.mutable_next_attempt_time()->set_seconds(delivery.due_second());
  }
  *moved.mutable_recipients() = delivery.recipients();
  *moved.mutable_recipient_indexes() = delivery.recipient_indexes();
  moved.set_attempts(delivery.attempts());
  if (delivery.first_attempt_ms() != 0) {
    *moved.mutable_first_attempt_time() = MsToTimestamp(delivery.first_attempt_ms());
  }
  if (delivery.last_attempt_ms() != 0) {
    *moved.mutable_last_attempt_time() = MsToTimestamp(delivery.last_attempt_ms());
  }
  *moved.mutable_last_outcomes() = delivery.last_outcomes();
  moved.set_outcome_unknown(delivery.outcome_unknown());
  moved.set_delay_warned(delivery.delay_warned());
  if (delivery.has_return_reply()) *moved.mutable_return_reply() = delivery.return_reply();
  if (delivery.has_route()) *moved.mutable_route() = delivery.route();
  if (queue.last_release_ms() != 0) {
    *moved.mutable_last_release_time() = MsToTimestamp(queue.last_release_ms());
    if (queue.has_route()) *moved.mutable_release_route() = queue.route();
  }
  return moved;
}

absl::StatusOr<MovedRecords> MakeRecords(v1::MovedDelivery& moved) {
  if (absl::Status status = Check(moved); !status.ok()) return status;
  MovedRecords made;
  records::MessageRecord& message = made.message;
  message.mutable_envelope()->Swap(moved.mutable_envelope());
  message.mutable_client()->Swap(moved.mutable_client());
  message.set_received_ms(ToMs(moved.received_time()));
  message.set_content_bytes(moved.content_bytes());
  message.set_content_hash(moved.content_hash());
  records::DeliveryRecord& delivery = made.delivery;
  delivery.set_message_id(moved.message_id());
  *delivery.mutable_queue() = moved.queue();
  delivery.mutable_recipients()->Swap(moved.mutable_recipients());
  delivery.mutable_recipient_indexes()->Swap(moved.mutable_recipient_indexes());
  delivery.set_received_ms(message.received_ms());
  delivery.set_content_bytes(moved.content_bytes());
  delivery.set_sole(moved.sole());
  delivery.set_attempts(moved.attempts());
  if (moved.has_first_attempt_time()) {
    delivery.set_first_attempt_ms(ToMs(moved.first_attempt_time()));
  }
  if (moved.has_last_attempt_time()) delivery.set_last_attempt_ms(ToMs(moved.last_attempt_time()));
  delivery.mutable_last_outcomes()->Swap(moved.mutable_last_outcomes());
  delivery.set_outcome_unknown(moved.outcome_unknown());
  delivery.set_delay_warned(moved.delay_warned());
  if (moved.has_return_reply()) delivery.mutable_return_reply()->Swap(moved.mutable_return_reply());
  if (moved.has_route()) delivery.mutable_route()->Swap(moved.mutable_route());
  return made;
}

Position PlaceMoved(uint64_t delivery_id, v1::DeliveryState state, int64_t due_second,
                    uint32_t release_epoch) {
  switch (state) {
    case v1::DELIVERY_STATE_HELD:  // new ids are beyond every mark
      return {.section = Section::kHeld, .delivery_id = delivery_id};
    case v1::DELIVERY_STATE_DEFERRED:
      return {.section = Section::kDeferred,
              .release_epoch = release_epoch,
              .due_second = due_second,
              .delivery_id = delivery_id};
    case v1::DELIVERY_STATE_PARKED:
      return {.section = Section::kParked, .delivery_id = delivery_id};
    default:
      return {.section = Section::kReady, .delivery_id = delivery_id};
  }
}

bool TakeOverRelease(const v1::MovedDelivery& moved, records::QueueRecord& queue) {
  if (!moved.has_last_release_time()) return false;
  const int64_t released_ms = ToMs(moved.last_release_time());
  if (released_ms <= queue.last_release_ms()) return false;
  queue.set_last_release_ms(released_ms);
  if (moved.has_release_route()) *queue.mutable_route() = moved.release_route();
  return true;
}

}  // namespace turnpike::spool
