#include "services/spool-store/storage/delivery_reader.h"

#include <optional>
#include <utility>

#include "services/common/base/status_macros.h"
#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/storage/message_writer.h"

namespace turnpike::spool {
namespace {

template <typename Record>
absl::Status ReadRecord(Database& database, rocksdb::ColumnFamilyHandle* family,
                        absl::string_view key, Record& record) {
  rocksdb::PinnableSlice value;
  TURNPIKE_RETURN_IF_ERROR(
      FromRocks(database.db().Get(rocksdb::ReadOptions(), family, ToSlice(key), &value)));
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return absl::DataLossError("record cannot be parsed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPiece(Database& database, absl::string_view key) {
  std::string piece;
  absl::Status status = database.Get(database.content(), key, &piece);
  if (absl::IsNotFound(status)) status = absl::DataLossError("content is gone");
  TURNPIKE_RETURN_IF_ERROR(status);
  return piece;
}

class RocksContentReader : public Store::ContentReader {
 public:
  RocksContentReader(Database& database, WorkerPool& pool, absl::string_view message_id)
      : database_(database), pool_(pool), id_(message_id) {}

  void Next(Store::Done<std::string> done) override {
    pool_.Post([this, done = std::move(done)]() mutable { std::move(done)(Read()); });
  }

 private:
  absl::StatusOr<std::string> Read() {
    if (!record_.has_value()) {
      TURNPIKE_ASSIGN_OR_RETURN(record_, ReadMessage(database_, id_));
    }
    const bool is_chunked = record_->content_chunks() > 0;
    const int32_t pieces = is_chunked ? record_->content_chunks() : 1;
    if (next_ == pieces) {
      if (hasher_.Digest() != record_->content_hash()) {
        return absl::DataLossError("content does not match its checksum");
      }
      return std::string();
    }
    absl::StatusOr<std::string> piece =
        ReadPiece(database_, is_chunked ? ChunkKey(id_, record_->content_upload(), next_) : id_);
    if (!piece.ok()) {
      // A slow reader may outlive the message: that is no damage.
      TURNPIKE_RETURN_IF_ERROR(ReadMessage(database_, id_).status());
      return piece.status();
    }
    ++next_;
    hasher_.Update(*piece);
    // An empty content is one empty piece, which is the end.
    return piece;
  }

  Database& database_;
  WorkerPool& pool_;
  const std::string id_;
  std::optional<records::MessageRecord> record_;
  int32_t next_ = 0;
  ContentHasher hasher_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<records::DeliveryRecord>> ReadDelivery(Database& database,
                                                                      uint64_t delivery_id) {
  auto record = std::make_shared<records::DeliveryRecord>();
  TURNPIKE_RETURN_IF_ERROR(
      ReadRecord(database, database.delivery(), DeliveryKey(delivery_id), *record));
  return record;
}

absl::StatusOr<records::MessageRecord> ReadMessage(Database& database,
                                                   absl::string_view message_id) {
  records::MessageRecord record;
  TURNPIKE_RETURN_IF_ERROR(ReadRecord(database, database.message(), message_id, record));
  return record;
}

absl::Status ReadLeased(Database& database, const records::DeliveryRecord& record,
                        v1::LeasedDelivery& leased) {
  absl::StatusOr<records::MessageRecord> message = ReadMessage(database, record.message_id());
  if (absl::IsNotFound(message.status())) return absl::DataLossError("message is gone");
  TURNPIKE_RETURN_IF_ERROR(message.status());
  *leased.mutable_queue() = record.queue();
  leased.set_message_id(record.message_id());
  leased.mutable_envelope()->Swap(message->mutable_envelope());
  *leased.mutable_recipients() = record.recipients();
  *leased.mutable_recipient_indexes() = record.recipient_indexes();
  *leased.mutable_received_time() = MsToTimestamp(record.received_ms());
  leased.set_attempts(record.attempts());
  leased.set_content_bytes(record.content_bytes());
  if (record.first_attempt_ms() != 0) {
    *leased.mutable_first_attempt_time() = MsToTimestamp(record.first_attempt_ms());
  }
  leased.set_delay_warned(record.delay_warned());
  if (record.has_return_reply()) *leased.mutable_return_reply() = record.return_reply();
  if (record.has_route()) *leased.mutable_route() = record.route();
  leased.mutable_client()->Swap(message->mutable_client());
  if (message->content_chunks() > 0) return absl::OkStatus();
  TURNPIKE_ASSIGN_OR_RETURN(*leased.mutable_inline_content(),
                            ReadPiece(database, record.message_id()));
  if (HashContent(leased.inline_content()) != message->content_hash()) {
    return absl::DataLossError("content does not match its checksum");
  }
  return absl::OkStatus();
}

std::unique_ptr<Store::ContentReader> MakeContentReader(Database& database, WorkerPool& pool,
                                                        absl::string_view message_id) {
  return std::make_unique<RocksContentReader>(database, pool, message_id);
}

}  // namespace turnpike::spool
