#include "services/spool-store/core/record_util.h"

namespace turnpike::spool {
namespace {

Section FromRecord(records::Section section) {
  switch (section) {
    case records::SECTION_HELD:
      return Section::kHeld;
    case records::SECTION_DEFERRED:
      return Section::kDeferred;
    case records::SECTION_PARKED:
      return Section::kParked;
    default:
      return Section::kReady;
  }
}

records::Section ToRecord(Section section) {
  switch (section) {
    case Section::kHeld:
      return records::SECTION_HELD;
    case Section::kReady:
      return records::SECTION_READY;
    case Section::kDeferred:
      return records::SECTION_DEFERRED;
    case Section::kParked:
      return records::SECTION_PARKED;
  }
  return records::SECTION_UNSPECIFIED;
}

}  // namespace

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

google::protobuf::Timestamp MsToTimestamp(int64_t ms_since_epoch) {
  return ToTimestamp(absl::FromUnixMillis(ms_since_epoch));
}

Position PositionOf(uint64_t delivery_id, const records::DeliveryRecord& record) {
  Position position{.section = FromRecord(record.section()), .delivery_id = delivery_id};
  if (position.section == Section::kDeferred) {
    position.release_epoch = record.release_epoch();
    position.due_second = record.due_second();
  }
  return position;
}

void SetPosition(const Position& position, records::DeliveryRecord& record) {
  record.set_section(ToRecord(position.section));
  record.set_release_epoch(position.release_epoch);
  record.set_due_second(position.due_second);
}

DeliveryFacts FactsOf(const records::DeliveryRecord& record) {
  return {.content_bytes = record.content_bytes(), .received_second = record.received_ms() / 1000};
}

v1::Delivery ToDelivery(uint64_t delivery_id, const records::DeliveryRecord& record,
                        const records::MessageRecord& message) {
  v1::Delivery delivery;
  delivery.set_delivery_id(delivery_id);
  delivery.set_message_id(record.message_id());
  *delivery.mutable_queue() = record.queue();
  *delivery.mutable_envelope() = message.envelope();
  *delivery.mutable_recipients() = record.recipients();
  *delivery.mutable_received_time() = MsToTimestamp(record.received_ms());
  if (record.section() == records::SECTION_DEFERRED && record.due_second() != kNeverDue) {
    delivery.mutable_next_attempt_time()->set_seconds(record.due_second());
  }
  delivery.set_attempts(record.attempts());
  delivery.set_content_bytes(record.content_bytes());
  *delivery.mutable_last_outcomes() = record.last_outcomes();
  if (record.last_attempt_ms() != 0) {
    *delivery.mutable_last_attempt_time() = MsToTimestamp(record.last_attempt_ms());
  }
  *delivery.mutable_client() = message.client();
  delivery.set_outcome_unknown(record.outcome_unknown());
  return delivery;
}

}  // namespace turnpike::spool
