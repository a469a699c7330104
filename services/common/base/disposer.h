// Destroys things on a thread of its own, so that whoever lets go of one last may be a thread that
// its destruction waits for.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_DISPOSER_H_
#define TURNPIKE_SERVICES_COMMON_BASE_DISPOSER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::base {

// Thread-safe.
class Disposer {
 public:
  Disposer();
  Disposer(const Disposer&) = delete;
  Disposer& operator=(const Disposer&) = delete;
  // Waits until everybody has let go of everything, and it is destroyed.
  ~Disposer();

  // Whoever lets go of the result last does not wait for its destruction.
  template <typename T>
  std::shared_ptr<T> Own(std::unique_ptr<T> thing) {
    Begin();
    return std::shared_ptr<T>(thing.release(), [this](T* gone) { Add([gone] { delete gone; }); });
  }

 private:
  void Begin();
  void Add(absl::AnyInvocable<void()> destroy);
  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !waiting_.empty() || is_stopping_;
  }
  bool HasNothing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return owned_ == 0; }

  absl::Mutex mu_;
  size_t owned_ ABSL_GUARDED_BY(mu_) = 0;  // not destroyed yet
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mu_);
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_DISPOSER_H_
