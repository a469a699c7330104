// When something is done by itself (`schedule` of collections[] and requests[]), as values: time
// goes in, times come out. (DQ-50 to DQ-52)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_SCHEDULE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_SCHEDULE_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/gateways.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/base/cron.h"

namespace turnpike::dequeue {

// What is remembered of earlier runs.
struct RunHistory {
  std::optional<absl::Time> last_end;  // unset: none yet
  int32_t failures = 0;                // in a row
};

// Whether a run that ended so is to be followed by a longer wait. No mail is no failure.
bool IsFailure(v1::RunEnding ending);

// Thread safety: immutable value type. Pure.
class Schedule {
 public:
  // INVALID_ARGUMENT: a `cron` that is none.
  static absl::StatusOr<Schedule> FromConfig(const config::v1::Schedule& config);

  // When the next run is due, which may be in the past. Nothing: only on command. The same for
  // every replica, as the jitter is made of the name and of the last run; `start_time`, when this
  // process began, stands in for a last run while there is none.
  //   every   the interval after the last end, and up to a tenth more; the first soon, within a
  //           minute.
  //   cron    the first such time after the last end, so one that was missed is made up for, once.
  // After failures: `retry_after` after the last end, doubled with each, up to the maximum.
  std::optional<absl::Time> NextRun(absl::string_view name, const RunHistory& history,
                                    absl::Time start_time) const;

 private:
  Schedule() = default;
  absl::Duration RetryDelay(int32_t failures) const;

  absl::Duration every_;  // zero: not so
  std::optional<base::Cron> cron_;
  absl::Duration retry_after_;
  absl::Duration retry_after_max_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_SCHEDULE_H_
