// One entry of `collections` or `requests`: when it runs, that it runs once at a time in the whole
// cluster, and what came of it. (DQ-52)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ENTRY_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ENTRY_H_

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/base/clock.h"
#include "services/gateway-dequeue/collect/errand.h"
#include "services/gateway-dequeue/collect/run_metrics.h"
#include "services/gateway-dequeue/collect/schedule.h"
#include "services/gateway-dequeue/rpc/session_lock.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::dequeue {

// The last run and the number of failures are kept in the shared state as a v1::RequestState, so
// that restarts and other replicas go on from there; so is the lock, which is the server's: entries
// that ask the same server wait for each other.
//
// Strand-confined to the executor.
class Entry : public std::enable_shared_from_this<Entry> {
 public:
  struct Options {
    RunKind kind = RunKind::kCollection;
    std::string name;
    std::string host;
    uint16_t port = 0;
    Schedule schedule;
    absl::Duration lock_time_to_live = absl::Seconds(30);
    // How often we look whether another replica has run it; after a failed look, and after finding
    // the server in use.
    absl::Duration poll_interval = absl::Minutes(1);
    absl::Duration retry_interval = absl::Seconds(5);
  };
  // What all entries share; outlives them.
  struct Parts {
    spool::SharedState& state;
    RunMetrics& metrics;
    const base::Clock& clock;
  };

  Entry(Options options, std::unique_ptr<Errand> errand, const Parts& parts,
        asio::any_io_executor executor);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  // Runs when it is due, until Stop. Spawn once.
  static asio::awaitable<void> Loop(std::shared_ptr<Entry> self);

  // Runs now. ABORTED: it runs already, or another entry is with the server. UNAVAILABLE: the
  // shared state is away, or it is stopping; nothing was done, or its end is not recorded.
  static asio::awaitable<absl::StatusOr<ErrandResult>> RunNow(std::shared_ptr<Entry> self);

  // The state with the times that follow from it. Errors: of the shared state.
  static asio::awaitable<absl::StatusOr<v1::RequestState>> Describe(std::shared_ptr<Entry> self);

  // Ends Loop after the run in progress: another configuration has no such entry.
  void Retire();
  // Ends a run in progress, which is then not recorded, and Loop.
  void Stop();
  // When the executor no longer runs: what a run still holds must not be renewed any more.
  void GiveUpLock();
  const Options& options() const { return options_; }

 private:
  using LockOr = absl::StatusOr<std::shared_ptr<SessionLock>>;

  // Nothing: it was not due any more.
  asio::awaitable<absl::StatusOr<std::optional<ErrandResult>>> TryRun(bool only_if_due);
  asio::awaitable<absl::StatusOr<std::optional<ErrandResult>>> RunLocked(bool only_if_due,
                                                                         std::string run_id);
  asio::awaitable<LockOr> Lock(std::string run_id);
  asio::awaitable<void> Unlock();  // so that whoever hears of the end can run the next
  asio::awaitable<absl::StatusOr<v1::RequestState>> Load();
  asio::awaitable<absl::Status> Save(v1::RequestState state);
  asio::awaitable<absl::StatusOr<bool>> IsRunningAnywhere();
  std::optional<absl::Time> NextRun(const v1::RequestState& state) const;
  std::string StateKey() const;
  std::string LockKey() const;
  void LogEnd(const std::string& run_id, const ErrandResult& result) const;

  const Options options_;
  const std::unique_ptr<Errand> errand_;
  const Parts& parts_;
  const std::shared_ptr<RunSeries> series_;
  const absl::Time start_time_;
  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  std::shared_ptr<SessionLock> lock_;  // during a run
  bool is_running_ = false;
  bool is_retired_ = false;
  bool is_stopping_ = false;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_ENTRY_H_
