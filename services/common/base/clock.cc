#include "services/common/base/clock.h"

#include "absl/time/clock.h"

namespace turnpike::base {
namespace {

class SystemClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock& Clock::System() {
  static const SystemClock* const clock = new SystemClock;
  return *clock;
}

absl::Time ManualClock::Now() const {
  absl::MutexLock lock(&mu_);
  return now_;
}

void ManualClock::Advance(absl::Duration by) {
  absl::MutexLock lock(&mu_);
  now_ += by;
}

void ManualClock::SetTime(absl::Time now) {
  absl::MutexLock lock(&mu_);
  now_ = now;
}

}  // namespace turnpike::base
