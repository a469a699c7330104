#include "services/spool-store/storage/message_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/message_id.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/core/validate.h"

namespace turnpike::spool {
namespace {

// How old an id may be and still be repeated; and as much again for clocks that differ.
constexpr absl::Duration kRepeatTime = absl::Hours(2);

std::string IndexValue(const DeliveryFacts& facts) {
  records::IndexRecord record;
  record.set_content_bytes(facts.content_bytes);
  record.set_received_second(facts.received_second);
  return record.SerializeAsString();
}

// Whether the message has deliveries left after this one.
bool HasOtherDeliveries(CommitContext& context, const records::DeliveryRecord& record) {
  if (record.sole()) return false;
  Database& database = context.database();
  const std::string key = OpenCountKey(record.message_id());
  const absl::StatusOr<std::string> count = context.Get(database.message(), key);
  if (!count.ok() || count->size() != 8) {
    // Keeps the content: it may be garbage, but the others may need it.
    TURNPIKE_LOG(kError, "count of open deliveries is lost",
                 {{"message", record.message_id()}, {"error", count.status().ToString()}});
    return true;
  }
  const uint64_t open = ReadBigEndian64(*count) - 1;
  if (open == 0) {
    context.DeleteTracked(database.message(), key);
    return false;
  }
  std::string value;
  AppendBigEndian64(open, value);
  context.PutTracked(database.message(), key, std::move(value));
  return true;
}

}  // namespace

std::string OpenCountKey(absl::string_view message_id) { return absl::StrCat(message_id, "n"); }

std::string ChunkKey(absl::string_view message_id, uint64_t upload, uint32_t chunk) {
  std::string key(message_id);
  AppendBigEndian64(upload, key);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(chunk >> shift));
  return key;
}

absl::StatusOr<PreparedMessage> PreparedMessage::Make(v1::NewMessage message, absl::Time now) {
  TURNPIKE_RETURN_IF_ERROR(CheckNewMessage(message));
  PreparedMessage prepared;
  prepared.id_ = message.message_id();
  prepared.content_ = std::move(*message.mutable_inline_content());
  prepared.is_chunked_ = prepared.content_.empty() && message.content_bytes() > 0;
  prepared.expected_hash_ = message.content_hash();

  records::MessageRecord& record = prepared.record_;
  record.mutable_envelope()->Swap(message.mutable_envelope());
  record.mutable_client()->Swap(message.mutable_client());
  record.set_received_ms(absl::ToUnixMillis(
      message.has_received_time() ? FromTimestamp(message.received_time()) : now));
  record.set_content_bytes(message.content_bytes());
  if (!prepared.is_chunked_) {
    record.set_content_hash(HashContent(prepared.content_));
    if (prepared.expected_hash_ != 0 && prepared.expected_hash_ != record.content_hash()) {
      return absl::InvalidArgumentError("content does not match its checksum");
    }
  }

  for (v1::NewDelivery& delivery : *message.mutable_deliveries()) {
    Delivery& out = prepared.deliveries_.emplace_back();
    out.queue_key = QueueKey(delivery.queue());
    out.position.section = delivery.hold() ? Section::kHeld : Section::kReady;
    out.record.set_message_id(prepared.id_);
    out.record.mutable_queue()->Swap(delivery.mutable_queue());
    SetPosition(out.position, out.record);
    for (int i = 0; i < delivery.recipients_size(); ++i) out.record.add_recipient_indexes(i);
    out.record.mutable_recipients()->Swap(delivery.mutable_recipients());
    out.record.set_received_ms(record.received_ms());
    out.record.set_content_bytes(record.content_bytes());
    out.record.set_sole(message.deliveries_size() == 1);
    out.facts = FactsOf(out.record);
  }
  prepared.index_bytes_ = IndexValue(prepared.deliveries_.front().facts);
  prepared.Serialize();
  return prepared;
}

void PreparedMessage::Serialize() {
  record_.SerializeToString(&record_bytes_);
  for (Delivery& delivery : deliveries_) delivery.record.SerializeToString(&delivery.bytes);
}

void PreparedMessage::SetChunks(uint64_t upload, int32_t chunks, uint64_t hash) {
  record_.set_content_upload(upload);
  record_.set_content_chunks(chunks);
  record_.set_content_hash(hash);
  for (Delivery& delivery : deliveries_) {
    delivery.record.set_content_upload(upload);
    delivery.record.set_content_chunks(chunks);
  }
  Serialize();
}

absl::StatusOr<bool> PreparedMessage::IsKnown(CommitContext& context, absl::string_view id) {
  // In this order: what is done moves from the first to the second in one write.
  for (rocksdb::ColumnFamilyHandle* family :
       {context.database().message(), context.database().completed()}) {
    const absl::Status status = context.Get(family, id).status();
    if (status.ok()) return true;
    if (!absl::IsNotFound(status)) return status;
  }
  return false;
}

void PreparedMessage::Build(CommitContext& context) {
  Database& database = context.database();
  rocksdb::WriteBatch& batch = context.batch();
  for (Delivery& delivery : deliveries_) {
    delivery.position.delivery_id = context.NextDeliveryId();
    batch.Put(database.delivery(), DeliveryKey(delivery.position.delivery_id), delivery.bytes);
    batch.Put(database.index(), IndexKey(delivery.queue_key, delivery.position), index_bytes_);
  }
  if (!is_chunked_) batch.Put(database.content(), id_, content_);
  context.PutTracked(database.message(), id_, record_bytes_);
  if (deliveries_.size() > 1) {
    std::string count;
    AppendBigEndian64(deliveries_.size(), count);
    context.PutTracked(database.message(), OpenCountKey(id_), std::move(count));
  }
}

void PreparedMessage::Apply(Schedule& schedule, Metrics& metrics) const {
  for (const Delivery& delivery : deliveries_) {
    Queue& queue = schedule.GetOrMake(delivery.queue_key);
    schedule.Add(queue, delivery.position, delivery.facts);
    metrics.enqueued[Metrics::KindIndex(queue.kind())]->Increment();
  }
}

void BuildNew(CommitContext& context, absl::string_view queue_key, const Position& position,
              const records::DeliveryRecord& record) {
  Database& database = context.database();
  rocksdb::WriteBatch& batch = context.batch();
  batch.Put(database.delivery(), DeliveryKey(position.delivery_id), record.SerializeAsString());
  batch.Put(database.index(), IndexKey(queue_key, position), IndexValue(FactsOf(record)));
}

void BuildRemoval(CommitContext& context, absl::string_view queue_key, const Position& position,
                  const records::DeliveryRecord& record, absl::Time now) {
  Database& database = context.database();
  rocksdb::WriteBatch& batch = context.batch();
  batch.Delete(database.delivery(), DeliveryKey(position.delivery_id));
  // Keys that are written once and deleted once vanish together, without a tombstone to walk over.
  batch.SingleDelete(database.index(), IndexKey(queue_key, position));
  if (HasOtherDeliveries(context, record)) return;

  const std::string& id = record.message_id();
  batch.SingleDelete(database.message(), id);
  if (record.content_chunks() == 0) {
    batch.SingleDelete(database.content(), id);
  } else {
    for (int32_t i = 0; i < record.content_chunks(); ++i) {
      batch.Delete(database.content(), ChunkKey(id, record.content_upload(), i));
    }
  }
  const auto message_id = base::MessageId::FromBytes(id);
  if (message_id.ok() && message_id->time() > now - kRepeatTime) {
    batch.Put(database.completed(), id, "1");
  }
}

void BuildMove(CommitContext& context, absl::string_view old_queue_key,
               const Position& old_position, absl::string_view queue_key, const Position& position,
               const records::DeliveryRecord& record) {
  Database& database = context.database();
  rocksdb::WriteBatch& batch = context.batch();
  batch.Put(database.delivery(), DeliveryKey(position.delivery_id), record.SerializeAsString());
  const std::string old_key = IndexKey(old_queue_key, old_position);
  const std::string key = IndexKey(queue_key, position);
  if (old_key == key) return;
  batch.SingleDelete(database.index(), old_key);
  batch.Put(database.index(), key, IndexValue(FactsOf(record)));
}

}  // namespace turnpike::spool
