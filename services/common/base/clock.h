// Time as a dependency, so that tests set it.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_CLOCK_H_
#define TURNPIKE_SERVICES_COMMON_BASE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace turnpike::base {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
  // The machine's clock; lives for ever.
  static const Clock& System();
};

// Stands still until it is moved. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override;
  void Advance(absl::Duration by);
  void SetTime(absl::Time now);

 private:
  mutable absl::Mutex mu_;
  absl::Time now_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_CLOCK_H_
