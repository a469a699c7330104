// Group commit: everything that has come in while the last write was being synced goes into the
// next.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_COMMITTER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_COMMITTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rocksdb/write_batch.h"
#include "services/spool-store/storage/database.h"

namespace turnpike::spool {

// In the default column family: the largest delivery id that may be in use.
inline constexpr absl::string_view kReservedIdsKey = "reserved_delivery_ids";

// What an operation writes with. Reads see what earlier operations of the same batch have written
// through here.
//
// Confined to the committer's thread.
class CommitContext {
 public:
  explicit CommitContext(Database& database) : database_(database) {}

  rocksdb::WriteBatch& batch() { return batch_; }
  Database& database() { return database_; }

  // Remembered until the batch is written, and written with it. A deletion is an empty value: use
  // it for values that are never empty.
  void PutTracked(rocksdb::ColumnFamilyHandle* family, absl::string_view key, std::string value);
  void DeleteTracked(rocksdb::ColumnFamilyHandle* family, absl::string_view key);
  // NOT_FOUND, or what FromRocks says.
  absl::StatusOr<std::string> Get(rocksdb::ColumnFamilyHandle* family, absl::string_view key);

  // The next delivery id; ids are never used twice, also over restarts. They are reserved in
  // blocks.
  uint64_t NextDeliveryId();
  uint64_t last_delivery_id() const { return last_id_; }

 private:
  friend class Committer;
  void Begin();
  void End(bool written);

  Database& database_;
  rocksdb::WriteBatch batch_;
  absl::flat_hash_map<std::string, std::string> tracked_;  // family's id and key
  uint64_t last_id_ = 0;
  uint64_t reserved_ = 0;  // on disk, or in this batch
};

// One change. Build, Apply and Answer are called in the order of Submit, on the committer's thread.
class Operation {
 public:
  virtual ~Operation() = default;
  // Adds to the batch.
  virtual void Build(CommitContext& context) = 0;
  // The batch is durable, or has failed; changes memory. The committer holds the engine's lock.
  virtual void Apply(bool written) = 0;
  // Tells whoever waits. No lock is held.
  virtual void Answer() = 0;
  // False: may be lost with the machine's power until a later one is synced.
  virtual bool needs_sync() const { return true; }
};

// Thread-safe.
class Committer {
 public:
  struct Hooks {
    absl::Mutex* mu = nullptr;            // held over all Apply calls of a batch
    std::function<void()> after_apply;    // called with it held
    std::function<void()> before_answer;  // without
    // Calls its argument, which answers all operations of a batch; empty: that is done directly.
    std::function<void(absl::FunctionRef<void()>)> around_answers;
    // A batch of so many operations was written, or not, in so much time.
    std::function<void(size_t operations, absl::Duration, const absl::Status&)> observe;
  };

  Committer(Database& database, Hooks hooks);
  ~Committer() { Stop(); }

  // Reads where ids stand; in a new folder they begin above `ids_above`. Before Start.
  absl::Status Init(uint64_t ids_above = 0);
  void Start();

  // Writes everything that was submitted, then ends the thread. What is submitted later is neither
  // written nor answered.
  void Stop();

  void Submit(std::unique_ptr<Operation> operation);

  // Waits until nothing is under way or waiting.
  void WaitIdle();

 private:
  void Run();
  void Commit(std::vector<std::unique_ptr<Operation>>& operations);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !queue_.empty(); }

  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return queue_.empty() && !is_committing_;
  }

  Database& database_;
  const Hooks hooks_;
  CommitContext context_;
  bool failed_ = false;  // the last write; the committer's thread only
  absl::Mutex mu_;
  std::vector<std::unique_ptr<Operation>> queue_ ABSL_GUARDED_BY(mu_);
  bool is_committing_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_COMMITTER_H_
