#include "services/outbound-delivery/core/retry_schedule.h"

#include <algorithm>

#include "services/common/base/random.h"

namespace turnpike::delivery {
namespace {

constexpr double kJitterFraction = 0.1;

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace

RetryPolicy RetryPolicy::FromConfig(const config::v1::Retry& retry) {
  return {.first_interval = FromProto(retry.first_interval()),
          .first_period = FromProto(retry.first_period()),
          .interval = FromProto(retry.interval()),
          .warn_after = FromProto(retry.warn_after()),
          .expire_after = FromProto(retry.expire_after()),
          .parks_expired = retry.on_expire() == config::v1::ON_EXPIRE_PARK};
}

RetryDecision DecideRetry(const RetryPolicy& policy, const RetryState& state, double unit) {
  const absl::Time first = std::min(state.first_attempt_time.value_or(state.now), state.now);
  const absl::Duration age = state.now - first;
  RetryDecision decision;
  decision.expire_time = first + policy.expire_after;
  if (state.now >= decision.expire_time) {
    decision.action =
        policy.parks_expired ? RetryDecision::Action::kPark : RetryDecision::Action::kReturn;
    return decision;
  }
  const absl::Duration interval =
      age < policy.first_period ? policy.first_interval : policy.interval;
  decision.next_attempt_time = state.now + base::Jitter(interval, kJitterFraction, unit);
  // The last attempt is made when the mail expires, and none shortly before it.
  if (decision.next_attempt_time + interval / 2 > decision.expire_time) {
    decision.next_attempt_time = decision.expire_time;
  }
  decision.warn =
      !state.delay_warned && policy.warn_after > absl::ZeroDuration() && age >= policy.warn_after;
  return decision;
}

absl::Time RoundAtOrAfter(absl::Time time, absl::Duration round) {
  if (round <= absl::ZeroDuration()) return time;
  const absl::Duration since_epoch = time - absl::UnixEpoch();
  return absl::UnixEpoch() + absl::Ceil(since_epoch, round);
}

}  // namespace turnpike::delivery
