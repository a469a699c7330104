// A running ATRN session as an entry of the shared state: what makes it the only one of its gateway
// in the whole cluster (DQ-32), and what shows it (DQ-60).
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SESSION_LOCK_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SESSION_LOCK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/spool-store/client/shared_state.h"

namespace grpc {
class Alarm;
}

namespace turnpike::dequeue {

// Keys of the sessions of one gateway all begin with this.
std::string SessionKeyPrefix(absl::string_view gateway);

// Renews its entry until it is released or lost. When this process dies the entry ends by itself.
//
// Thread-safe.
class SessionLock : public std::enable_shared_from_this<SessionLock> {
 public:
  struct Options {
    std::string key;
    std::string value;                                // distinguishes this holder from all others
    absl::Duration time_to_live = absl::Seconds(30);  // renewed after a third of it
  };
  using AcquiredCallback = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<SessionLock>>)>;

  // Takes the lock. ABORTED: somebody else has it; other errors: the store is away or full. `state`
  // must outlive the lock and its calls. `on_lost` runs once if the lock is somebody else's by now,
  // or cannot be renewed in time; not after Release.
  static void Acquire(spool::SharedState& state, Options options,
                      absl::AnyInvocable<void()> on_lost, AcquiredCallback done);
  ~SessionLock();

  // Gives the lock up. Idempotent. `done`, if given, is called once the entry is gone, or will go
  // by its time; the first call's only.
  void Release(absl::AnyInvocable<void()> done = nullptr);

 private:
  SessionLock(spool::SharedState& state, Options options, absl::AnyInvocable<void()> on_lost);

  spool::v1::PutEntryRequest MakePut() const;
  void ScheduleRenewal(absl::Time time) ABSL_LOCKS_EXCLUDED(mu_);
  void Renew();
  void OnRenewed(absl::Time asked_time, absl::StatusOr<spool::v1::PutEntryResponse> response);
  // The entry has another version than we know: an answer of ours was lost, or it is another's.
  void Inspect();
  void Lose();
  void Delete(uint64_t version, absl::AnyInvocable<void()> done);

  spool::SharedState& state_;
  const Options options_;
  absl::Mutex mu_;
  absl::AnyInvocable<void()> on_lost_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time valid_until_ ABSL_GUARDED_BY(mu_);
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;      // released or lost
  bool is_renewing_ ABSL_GUARDED_BY(mu_) = false;  // then the answer deletes a released entry
  absl::AnyInvocable<void()> on_deleted_ ABSL_GUARDED_BY(mu_);  // of such
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SESSION_LOCK_H_
