// A few threads for computations that take long, so that the threads that serve calls stay free,
// and so that a flood of logins takes no processor from mail that needs none.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_WORK_POOL_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_WORK_POOL_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace turnpike::auth {

// Thread-safe.
class WorkPool {
 public:
  struct Options {
    size_t threads = 2;        // auth.password_checks_max; > 0
    size_t waiting_max = 100;  // auth.password_checks_waiting_max; further work is refused
    // What is added to the threads' nice value, 0..19: beside anything else that wants the
    // processor they get one or two hundredths of it, and all of it otherwise.
    int nice = 19;
  };
  explicit WorkPool(const Options& options);
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;
  // Finishes what is running; drops what waits.
  ~WorkPool();

  // False if too much waits already: `work` is not run.
  [[nodiscard]] bool TryAdd(absl::AnyInvocable<void()> work);

  // Waits until nothing runs or waits; false if something still does at `deadline`.
  bool WaitUntilIdle(absl::Time deadline);

  size_t waiting() const;

 private:
  void RunThread(int nice);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return waiting_.empty() && running_ == 0;
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !waiting_.empty() || is_stopping_;
  }

  const size_t waiting_max_;
  mutable absl::Mutex mu_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mu_);
  size_t running_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_WORK_POOL_H_
