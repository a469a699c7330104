// Work that shutdown waits for.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_GATE_H_
#define TURNPIKE_SERVICES_COMMON_BASE_GATE_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace turnpike::base {

// Counts pieces of work in progress. Each piece enters before it is started and leaves when it has
// ended; shutdown closes the gate and waits for the count to reach zero.
//
// Thread-safe. Must not be destroyed while somebody is inside.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate();

  // False once the gate is closed: do not start the work, and do not call Leave.
  [[nodiscard]] bool TryEnter();
  void Leave();

  // Nobody enters any more. Idempotent.
  void Close();
  // Waits until nobody is inside; false if somebody still is at `deadline`. Blocks the thread.
  bool WaitUntil(absl::Time deadline);

  size_t inside() const;

 private:
  mutable absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  size_t inside_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_GATE_H_
