// When mail that could not be delivered is tried again, when its sender is warned, and when we give
// up. (DL-5) Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_RETRY_SCHEDULE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_RETRY_SCHEDULE_H_

#include <optional>

#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::delivery {

struct RetryPolicy {
  absl::Duration first_interval = absl::Minutes(5);
  absl::Duration first_period = absl::Minutes(60);
  absl::Duration interval = absl::Hours(4);
  absl::Duration warn_after = absl::Hours(4);  // 0: no warning
  absl::Duration expire_after = absl::Hours(120);
  bool parks_expired = false;  // else returned

  static RetryPolicy FromConfig(const config::v1::Retry& retry);
};

// Of one delivery whose attempt has just failed for now.
struct RetryState {
  absl::Time now;
  // Of the first attempt; nothing if it was this one. All times count from it: what was held does
  // not grow old by that (dequeue.md, field facts).
  std::optional<absl::Time> first_attempt_time;
  bool delay_warned = false;
};

struct RetryDecision {
  enum class Action { kRetry, kReturn, kPark };
  Action action = Action::kRetry;
  absl::Time next_attempt_time;  // kRetry
  absl::Time expire_time;
  bool warn = false;  // kRetry: tell the sender of the delay now
};

// The next attempt comes `first_interval` later within the first period, then `interval` later,
// each ± 10 %; the last one when the mail expires, and none shortly before it. `unit`, in [0, 1),
// decides the jitter.
RetryDecision DecideRetry(const RetryPolicy& policy, const RetryState& state, double unit);

// When the round at or after `time` begins, where rounds of this length follow each other since the
// epoch, for all workers at once; `time` itself when `round` is zero (DL-8).
absl::Time RoundAtOrAfter(absl::Time time, absl::Duration round);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_RETRY_SCHEDULE_H_
