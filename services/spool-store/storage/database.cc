#include "services/spool-store/storage/database.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "services/common/base/status_macros.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kFormat = "1";
// Ids of finished messages are found for at least an hour; the clocks of clients may be off by
// that.
constexpr uint64_t kCompletedSeconds = 2 * 3600;

rocksdb::DBOptions MakeDbOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // What was synced is read up to the first record that is not whole: that one was never answered.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // A start after a kill reads that much again (about 100 MB a second).
  options.max_total_wal_size = 256 << 20;
  options.bytes_per_sync = 1 << 20;  // keeps a flush from holding up the log's next sync
  options.max_background_jobs = 3;
  options.avoid_unnecessary_blocking_io = true;
  options.keep_log_file_num = 3;
  options.max_log_file_size = 4 << 20;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions MakeBase(const std::shared_ptr<rocksdb::Cache>& cache,
                                      size_t write_buffer_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = write_buffer_bytes;
  options.max_write_buffer_number = 3;
  options.compression = rocksdb::kLZ4Compression;
  // Look-ups of ids that are not there (every new message makes two) end at a filter, in memory
  // too.
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.02;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(const Database::Options& options) {
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const rocksdb::ColumnFamilyOptions small = MakeBase(cache, options.write_buffer_bytes / 4);

  // Most mail is gone before its memtable is flushed, and never leaves the log. What stays is
  // written to blob files once, and moved only when half of its file is garbage.
  rocksdb::ColumnFamilyOptions content = MakeBase(cache, options.write_buffer_bytes);
  content.enable_blob_files = true;
  content.min_blob_size = 1024;
  content.blob_file_size = 128 << 20;
  content.blob_compression_type = rocksdb::kLZ4Compression;
  content.enable_blob_garbage_collection = true;
  content.blob_garbage_collection_age_cutoff = 0.5;
  content.blob_garbage_collection_force_threshold = 0.5;

  rocksdb::ColumnFamilyOptions completed = small;
  completed.compaction_style = rocksdb::kCompactionStyleFIFO;
  completed.ttl = kCompletedSeconds;
  completed.compaction_options_fifo.max_table_files_size = uint64_t{4} << 30;
  completed.compaction_options_fifo.allow_compaction = true;

  return {{rocksdb::kDefaultColumnFamilyName, small},
          {"content", content},
          {"message", small},
          {"delivery", small},
          {"index", small},
          {"queue", small},
          {"completed", completed},
          {"state", small}};
}

absl::Status MakeDirectory(const std::string& directory) {
  umask(S_IRWXG | S_IRWXO);
  if (mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return absl::UnavailableError(
        absl::StrCat("cannot make folder ", directory, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsNotFound()) return absl::NotFoundError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  return absl::UnavailableError(text);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const Options& options) {
  TURNPIKE_RETURN_IF_ERROR(MakeDirectory(options.directory));
  auto database = std::unique_ptr<Database>(new Database());
  rocksdb::DB* db = nullptr;
  rocksdb::DBOptions db_options = MakeDbOptions();
  if (options.env != nullptr) db_options.env = options.env;
  const rocksdb::Status opened = rocksdb::DB::Open(
      db_options, options.directory, MakeFamilies(options), &database->families_, &db);
  if (!opened.ok()) {
    const std::string text = opened.ToString();
    if (opened.IsIOError() &&
        (absl::StrContains(text, "lock ") || absl::StrContains(text, "LOCK"))) {
      return absl::FailedPreconditionError(
          absl::StrCat("another process uses the spool in ", options.directory, " (", text, ")"));
    }
    return FromRocks(opened);
  }
  database->db_.reset(db);

  std::string format;
  const absl::Status read = database->Get(database->meta(), "format", &format);
  if (absl::IsNotFound(read)) {
    rocksdb::WriteOptions sync;
    sync.sync = true;
    TURNPIKE_RETURN_IF_ERROR(
        FromRocks(db->Put(sync, database->meta(), "format", ToSlice(kFormat))));
    return database;
  }
  TURNPIKE_RETURN_IF_ERROR(read);
  if (format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the spool in ", options.directory, " has format ", format, ", known is ", kFormat));
  }
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  // So that the next start has nothing to read again; if it fails, the log still has everything.
  db_->Flush(rocksdb::FlushOptions(), families_).PermitUncheckedError();
  for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
  db_->Close();
}

absl::Status Database::Get(rocksdb::ColumnFamilyHandle* family, absl::string_view key,
                           std::string* value) {
  return FromRocks(db_->Get(rocksdb::ReadOptions(), family, ToSlice(key), value));
}

uint64_t Database::UsedBytes() {
  uint64_t total = 0;
  for (const char* property : {"rocksdb.total-sst-files-size", "rocksdb.total-blob-file-size"}) {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      uint64_t bytes = 0;
      if (db_->GetIntProperty(family, property, &bytes)) total += bytes;
    }
  }
  rocksdb::VectorLogPtr logs;
  if (db_->GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) total += log->SizeFileBytes();
  }
  return total;
}

}  // namespace turnpike::spool
