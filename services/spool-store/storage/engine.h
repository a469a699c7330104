// What the parts of RocksStore share.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENGINE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <functional>

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
      : options(options),
        database(database),
        clock(clock),
        metrics(metrics),
        schedule(boot),
        pool(options.pool_threads),
        committer(database, WithLock(std::move(hooks))) {}

  const Options options;
  Database& database;
  const base::Clock& clock;
  Metrics& metrics;
  absl::Mutex mu;
  Schedule schedule ABSL_GUARDED_BY(mu);
  std::atomic<bool> accepting = true;  // new messages; false: the disk is nearly full
  std::atomic<bool> draining = false;  // no new leases
  std::function<void()> wake;          // looks for consumers that can be given work; any thread
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
