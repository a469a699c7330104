// The store on RocksDB.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ROCKS_STORE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ROCKS_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/shard_store.h"
#include "services/spool-store/storage/shared_state_store.h"

namespace rocksdb {
class Env;
}

namespace turnpike::spool {

// Consumers, uploads and content readers must be gone before the store is.
class RocksStore : public Store {
 public:
  struct Options {
    std::string directory;
    uint32_t shard = 0;                   // the folder's, for good
    uint64_t free_bytes_min = 256 << 20;  // below it, new messages are refused
    absl::Duration lease_duration = absl::Minutes(5);
    int64_t leases_per_queue_max = 1000;
    int64_t shared_entries_max = 1'000'000;
    // After a start that finds mail, nothing is handed out to workers (DueScope) for this time:
    // those that had leases settle them first.
    absl::Duration settle_time = absl::ZeroDuration();
    // How often time is looked at; zero: only by TickForTest.
    absl::Duration tick = absl::Milliseconds(200);
    // Memory for content before it is written to files; small ones make tests write files.
    size_t write_buffer_bytes = 64 << 20;
    // Calls its argument once, which runs the callbacks of all that one write has made durable; for
    // sending these answers together. Empty: that is done directly.
    std::function<void(absl::FunctionRef<void()>)> around_answers;
    rocksdb::Env* env_for_test = nullptr;  // the files; must outlive the store
  };

  // What may change while the store runs. Fields are those of Options.
  struct Limits {
    uint64_t free_bytes_min = 256 << 20;
    absl::Duration lease_duration = absl::Minutes(5);
    int64_t leases_per_queue_max = 1000;
  };

  // Errors are those of Database::Open and ClaimIdentity. `clock` and `metrics` must outlive the
  // store.
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const Options& options,
                                                          const base::Clock& clock,
                                                          Metrics& metrics);

  // Hands out no more leases.
  virtual void Drain() = 0;
  // Waits until everything that was asked for is done and its callbacks have returned.
  virtual void WaitIdle() = 0;
  // Whether writes work.
  virtual bool IsHealthy() const = 0;
  virtual SharedStateStore& shared_state() = 0;
  virtual ShardStore& shard() = 0;
  // Whether new messages are taken: writes work, the disk has room, and the shard is not being
  // emptied.
  virtual bool IsAccepting() const = 0;
  // Calls `changed` with that now, and whenever it has changed, within a second and on one thread;
  // until it is called again. Empty: nobody is told any more.
  virtual void WatchAccepting(std::function<void(bool accepting)> changed) = 0;
  // For leases and streams that begin later, and the space that is looked at next.
  virtual void SetLimits(const Limits& limits) = 0;

  // What happens by itself when time passes, now.
  virtual void TickForTest() = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ROCKS_STORE_H_
