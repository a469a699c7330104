// File systems for tests: one that knows what was synced, so that a loss of power can be had at any
// moment, and one that is full when it is told to be.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_FILE_SYSTEM_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace turnpike::spool {

// Thread-safe.
class FullFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FullFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FullFileSystem"; }
  // Whether files that are written through here can grow.
  void SetFull(bool is_full) { *is_full_ = is_full; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;

 private:
  class File;
  const std::shared_ptr<std::atomic<bool>> is_full_ = std::make_shared<std::atomic<bool>>(false);
};

// Thread-safe.
class LosingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  LosingFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "LosingFileSystem"; }

  // Copies `from` to the new folder `to` as it would be after a loss of power now: each file that
  // was written through here only as far as it was synced.
  void CopySynced(const std::string& from, const std::string& to) ABSL_LOCKS_EXCLUDED(mu_);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  struct FileState {
    uint64_t bytes = 0;
    uint64_t synced_bytes = 0;
  };
  class File;

  absl::Mutex mu_;  // also keeps writes away while files are copied
  std::map<std::string, std::shared_ptr<FileState>> files_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_FILE_SYSTEM_H_
