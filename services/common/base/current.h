// What is replaced as a whole while others use it: each of them keeps what it has got.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_CURRENT_H_
#define TURNPIKE_SERVICES_COMMON_BASE_CURRENT_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::base {

// Holds the newest of a row of immutable values. Thread-safe.
template <typename T>
class Current {
 public:
  explicit Current(std::shared_ptr<const T> value) : value_(std::move(value)) {}
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  std::shared_ptr<const T> Get() const {
    absl::MutexLock lock(&mu_);
    return value_;
  }

  void Set(std::shared_ptr<const T> value) {
    {
      absl::MutexLock lock(&mu_);
      value_.swap(value);
    }
    // The old one may go here, without the lock.
  }

 private:
  mutable absl::Mutex mu_;
  std::shared_ptr<const T> value_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_CURRENT_H_
