// Bounds the memory of large messages on their way: each takes its size from one budget before it
// is read from the spool.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONTENT_BUDGET_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONTENT_BUDGET_H_

#include <cstddef>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::delivery {

// Thread-safe.
class ContentBudget {
 public:
  // Called once, on any thread, perhaps within Acquire; false: closed.
  using Granted = absl::AnyInvocable<void(bool)>;

  explicit ContentBudget(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Asks for `bytes`, in order of asking. More than there is in all is granted once nothing else is
  // taken. Each grant of true is given back by Release with the same number.
  void Acquire(size_t bytes, Granted granted);
  void Release(size_t bytes);
  // Refuses all who wait and who come.
  void Close();

 private:
  struct Waiting {
    size_t bytes;
    Granted granted;
  };

  bool Fits(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const size_t bytes_max_;
  absl::Mutex mu_;
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONTENT_BUDGET_H_
