#include "services/spool-store/storage/index_scan.h"

#include <memory>

#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {
namespace {

bool ParseFacts(const rocksdb::Slice& value, DeliveryFacts& facts) {
  records::IndexRecord record;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) return false;
  facts = {.content_bytes = record.content_bytes(), .received_second = record.received_second()};
  return true;
}

}  // namespace

absl::StatusOr<ScanResult> ScanSection(Database& database, absl::string_view queue_key,
                                       Section section, const std::optional<Position>& after,
                                       size_t count_max) {
  const std::string prefix = IndexPrefix(section, queue_key);
  const std::string end = AfterPrefix(prefix);
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const auto it =
      std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(options, database.index()));
  if (after.has_value()) {
    it->Seek(IndexKey(queue_key, *after) + '\0');
  } else {
    it->Seek(prefix);
  }
  ScanResult result;
  for (; it->Valid() && result.entries.size() < count_max; it->Next()) {
    absl::string_view key_queue;
    Position position;
    DeliveryFacts facts;
    if (!ParseIndexKey(ToView(it->key()), key_queue, position)) continue;
    if (!ParseFacts(it->value(), facts)) continue;
    result.entries.emplace_back(position, facts);
  }
  TURNPIKE_RETURN_IF_ERROR(FromRocks(it->status()));
  result.reached_end = !it->Valid();
  return result;
}

absl::StatusOr<int64_t> ScanIndex(
    Database& database,
    const std::function<void(absl::string_view queue_key, const Position&, const DeliveryFacts&)>&
        visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 2 << 20;
  const auto it =
      std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(options, database.index()));
  int64_t unreadable = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    absl::string_view queue_key;
    Position position;
    DeliveryFacts facts;
    if (ParseIndexKey(ToView(it->key()), queue_key, position) && ParseFacts(it->value(), facts)) {
      visit(queue_key, position, facts);
    } else {
      ++unreadable;
    }
  }
  TURNPIKE_RETURN_IF_ERROR(FromRocks(it->status()));
  return unreadable;
}

}  // namespace turnpike::spool
