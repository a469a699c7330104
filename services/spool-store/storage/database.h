// The RocksDB database: its column families and options.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DATABASE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rocksdb/db.h"
#include "rocksdb/slice.h"

namespace turnpike::spool {

inline rocksdb::Slice ToSlice(absl::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}
// NOT_FOUND, DATA_LOSS (a checksum was wrong), UNAVAILABLE (anything else).
absl::Status FromRocks(const rocksdb::Status& status);

// Thread-safe.
class Database {
 public:
  struct Options {
    std::string directory;  // made with mode 0700 when missing
    size_t block_cache_bytes = 64 << 20;
    size_t write_buffer_bytes = 64 << 20;  // of `content`; the others have a quarter each
    rocksdb::Env* env = nullptr;           // the files; nullptr: the machine's
  };

  // Sets the process's umask to 077: the store's files are nobody else's.
  // FAILED_PRECONDITION: another process uses the folder, or a newer version has written it.
  // DATA_LOSS: it is damaged beyond what can be set aside. UNAVAILABLE: it cannot be read or
  // written.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }

  // Values by name, small and few: format, boot, reserved ids, uploads in progress.
  rocksdb::ColumnFamilyHandle* meta() const { return families_[0]; }
  // Message id; with content in pieces followed by the upload's and the piece's number (8, 4
  // octets).
  rocksdb::ColumnFamilyHandle* content() const { return families_[1]; }
  // Message id -> MessageRecord; message id + `n` -> open deliveries, when there was more than one.
  rocksdb::ColumnFamilyHandle* message() const { return families_[2]; }
  rocksdb::ColumnFamilyHandle* delivery() const { return families_[3]; }
  rocksdb::ColumnFamilyHandle* index() const { return families_[4]; }
  rocksdb::ColumnFamilyHandle* queue() const { return families_[5]; }
  // Ids of messages that are done, for as long as they may be repeated. Its files are dropped by
  // age.
  rocksdb::ColumnFamilyHandle* completed() const { return families_[6]; }
  rocksdb::ColumnFamilyHandle* state() const { return families_[7]; }

  absl::Status Get(rocksdb::ColumnFamilyHandle* family, absl::string_view key, std::string* value);
  // Octets of all files, the write-ahead log included.
  uint64_t UsedBytes();

 private:
  Database() = default;

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_DATABASE_H_
