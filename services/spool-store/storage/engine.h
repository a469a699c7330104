// What the parts of RocksStore share.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENGINE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENGINE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/spool-store/core/schedule.h"
#include "services/spool-store/storage/committer.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/worker_pool.h"

namespace turnpike::spool {

// Threads: callers prepare operations, the committer writes them and then changes the schedule, the
// pool reads from the disk and hands out leases. `mu` is held for memory work only, never over I/O
// or callbacks.
struct Engine {
  struct Options {
    absl::Duration lease_duration = absl::Minutes(5);
    int64_t leases_per_queue_max = 1000;
    int pool_threads = 3;
  };

  Engine(Database& database, const base::Clock& clock, Metrics& metrics, const Options& options,
         uint64_t boot, Committer::Hooks hooks)
      : lease_duration_ms(absl::ToInt64Milliseconds(options.lease_duration)),
        leases_per_queue_max(options.leases_per_queue_max),
        database(database),
        clock(clock),
        metrics(metrics),
        schedule(boot),
        pool(options.pool_threads),
        committer(database, WithLock(std::move(hooks))) {}

  // May change while the store runs.
  std::atomic<int64_t> lease_duration_ms;
  std::atomic<int64_t> leases_per_queue_max;

  Database& database;
  const base::Clock& clock;
  Metrics& metrics;
  absl::Mutex mu;
  Schedule schedule ABSL_GUARDED_BY(mu);
  std::atomic<bool> accepting = true;  // new messages; false: the disk is nearly full
  std::atomic<bool> draining = false;  // the process ends: no new leases
  // The last write has succeeded. Nothing is leased otherwise: no outcome could be recorded, and
  // the same mail would go out with every lease.
  std::atomic<bool> writable = true;
  // The shard is being emptied (PL-27): no new messages. Changed on the committer's thread only.
  std::atomic<bool> emptying = false;
  // Deliveries that are noted to be on their way to another shard. Likewise.
  std::atomic<int64_t> noted_moves = 0;
  // No new leases, since moving goes before delivering. Off while nothing can be moved.
  std::atomic<bool> holding_back = false;
  // No new leases for workers before. Set before anybody is served.
  absl::Time hand_out_from = absl::InfinitePast();
  // Since when the longest-waiting due delivery is due, when it was last measured; 0: none was.
  std::atomic<int64_t> oldest_due_second = 0;
  WorkerPool pool;
  Committer committer;

 private:
  Committer::Hooks WithLock(Committer::Hooks hooks) {
    hooks.mu = &mu;
    return hooks;
  }
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENGINE_H_
