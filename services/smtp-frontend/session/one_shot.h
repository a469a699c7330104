// A value that one thread sets and one coroutine waits for.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ONE_SHOT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ONE_SHOT_H_

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::frontend {

// Thread-safe. For net::Await:
//
//   net::StartOperation<T> start = [shot](absl::AnyInvocable<void(T)> done) {
//     shot->WhenSet(std::move(done));
//   };
template <typename T>
class OneShot {
 public:
  // The first value counts, later ones are dropped.
  void Set(T value) {
    absl::AnyInvocable<void(T)> done;
    {
      absl::MutexLock lock(&mu_);
      if (is_set_) return;
      is_set_ = true;
      if (!done_) {
        value_ = std::move(value);
        return;
      }
      done = std::move(done_);
    }
    done(std::move(value));
  }

  // Calls `done` once with the value: now if it is there, else inside Set. Called once.
  void WhenSet(absl::AnyInvocable<void(T)> done) {
    std::optional<T> value;
    {
      absl::MutexLock lock(&mu_);
      if (!is_set_) {
        done_ = std::move(done);
        return;
      }
      value = std::move(value_);
    }
    done(*std::move(value));
  }

 private:
  absl::Mutex mu_;
  bool is_set_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<T> value_ ABSL_GUARDED_BY(mu_);
  absl::AnyInvocable<void(T)> done_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ONE_SHOT_H_
