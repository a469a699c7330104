// Times in the words of cron: minute, hour, day of month, month, day of week.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_CRON_H_
#define TURNPIKE_SERVICES_COMMON_BASE_CRON_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace turnpike::base {

// As in crontab(5): `*`, numbers, ranges `6-20`, steps `*/15` and `6-20/2`, lists of these, names
// of months (`jan`) and days (`mon`), Sunday as 0 and 7. Where both day fields are restricted -
// neither begins with `*` - a day that fits one of them fits. Always UTC, so no hour comes twice or
// never.
//
// Thread safety: thread-compatible value type. Pure.
class Cron {
 public:
  // `*/15 6-20 * * mon-fri`. INVALID_ARGUMENT names the field.
  static absl::StatusOr<Cron> Parse(absl::string_view text);

  // The first such time after `time`, a whole minute. Nothing if there is none in fifty years
  // (the 30th of February).
  std::optional<absl::Time> Next(absl::Time time) const;

 private:
  Cron() = default;
  bool Fits(absl::CivilDay day) const;

  // A bit for each value that fits.
  uint64_t minutes_ = 0;
  uint64_t hours_ = 0;
  uint64_t days_ = 0;  // of the month
  uint64_t months_ = 0;
  uint64_t weekdays_ = 0;  // 0: Sunday
  bool is_either_day_enough_ = false;
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_CRON_H_
