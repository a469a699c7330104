#include "services/spool-store/storage/testing_file_system.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace turnpike::spool {

class LosingFileSystem::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, LosingFileSystem& owner,
       std::shared_ptr<FileState> state)
      : FSWritableFileOwnerWrapper(std::move(file)), owner_(owner), state_(std::move(state)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    absl::MutexLock lock(&owner_.mu_);
    rocksdb::IOStatus status = target()->Append(data, options, debug);
    if (status.ok()) state_->bytes += data.size();
    return status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  rocksdb::IOStatus Truncate(uint64_t bytes, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    absl::MutexLock lock(&owner_.mu_);
    state_->bytes = bytes;
    state_->synced_bytes = std::min(state_->synced_bytes, bytes);
    return target()->Truncate(bytes, options, debug);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    const uint64_t bytes = Bytes();
    rocksdb::IOStatus status = target()->Sync(options, debug);
    if (status.ok()) SetSynced(bytes);
    return status;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    const uint64_t bytes = Bytes();
    rocksdb::IOStatus status = target()->Fsync(options, debug);
    if (status.ok()) SetSynced(bytes);
    return status;
  }

 private:
  uint64_t Bytes() {
    absl::MutexLock lock(&owner_.mu_);
    return state_->bytes;
  }
  void SetSynced(uint64_t bytes) {
    absl::MutexLock lock(&owner_.mu_);
    state_->synced_bytes = std::max(state_->synced_bytes, bytes);
  }

  LosingFileSystem& owner_;
  const std::shared_ptr<FileState> state_;
};

class FullFileSystem::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<const std::atomic<bool>> full)
      : FSWritableFileOwnerWrapper(std::move(file)), is_full_(std::move(full)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    if (*is_full_) return rocksdb::IOStatus::NoSpace("no space left");
    return target()->Append(data, options, debug);
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }

 private:
  const std::shared_ptr<const std::atomic<bool>> is_full_;
};

rocksdb::IOStatus FullFileSystem::NewWritableFile(const std::string& name,
                                                  const rocksdb::FileOptions& options,
                                                  std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                  rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = target()->NewWritableFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<File>(std::move(*file), is_full_);
  return status;
}

rocksdb::IOStatus LosingFileSystem::NewWritableFile(const std::string& name,
                                                    const rocksdb::FileOptions& options,
                                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                    rocksdb::IODebugContext* debug) {
  absl::MutexLock lock(&mu_);
  std::unique_ptr<rocksdb::FSWritableFile> opened;
  rocksdb::IOStatus status = target()->NewWritableFile(name, options, &opened, debug);
  if (!status.ok()) return status;
  auto state = std::make_shared<FileState>();
  files_[name] = state;
  *file = std::make_unique<File>(std::move(opened), *this, std::move(state));
  return status;
}

rocksdb::IOStatus LosingFileSystem::RenameFile(const std::string& from, const std::string& to,
                                               const rocksdb::IOOptions& options,
                                               rocksdb::IODebugContext* debug) {
  absl::MutexLock lock(&mu_);
  rocksdb::IOStatus status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  if (auto found = files_.find(from); found != files_.end()) {
    files_[to] = found->second;
    files_.erase(from);
  }
  return status;
}

rocksdb::IOStatus LosingFileSystem::DeleteFile(const std::string& name,
                                               const rocksdb::IOOptions& options,
                                               rocksdb::IODebugContext* debug) {
  absl::MutexLock lock(&mu_);
  files_.erase(name);
  return target()->DeleteFile(name, options, debug);
}

void LosingFileSystem::CopySynced(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mu_);
  std::filesystem::create_directories(to);
  // A folder that changes while it is listed may be listed incompletely.
  std::set<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(from)) paths.insert(entry.path());
  for (const auto& [name, state] : files_) {
    const std::filesystem::path path(name);
    if (path.parent_path() == from) paths.insert(path);
  }
  for (const std::filesystem::path& path : paths) {
    const std::string copy = to + "/" + path.filename().string();
    std::error_code error;
    // Some files are deleted past this class, after what refers to them was synced.
    if (!std::filesystem::copy_file(path, copy, error)) continue;
    auto found = files_.find(path.string());
    if (found != files_.end()) std::filesystem::resize_file(copy, found->second->synced_bytes);
  }
}

}  // namespace turnpike::spool
