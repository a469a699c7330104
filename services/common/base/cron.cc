#include "services/common/base/cron.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "services/common/base/status_macros.h"

namespace turnpike::base {
namespace {

constexpr int kYearsMax = 50;

constexpr absl::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr absl::string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  absl::string_view name;
  int min;
  int max;
  absl::Span<const absl::string_view> words;  // for min, min + 1, …
};

const Field kMinute = {"minute", 0, 59, {}};
const Field kHour = {"hour", 0, 23, {}};
const Field kDay = {"day of month", 1, 31, {}};
const Field kMonth = {"month", 1, 12, kMonths};
const Field kWeekday = {"day of week", 0, 7, kWeekdays};

bool Has(uint64_t set, int value) { return (set >> value & 1) != 0; }

absl::Status Error(const Field& field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the ", field.name, " ", what));
}

// Digits alone: no sign and no blank.
std::optional<int> ParseNumber(absl::string_view text) {
  int number;
  if (text.empty() || text.size() > 4 || !absl::ascii_isdigit(text[0])) return std::nullopt;
  if (!absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

absl::StatusOr<int> ParseValue(const Field& field, absl::string_view text) {
  for (size_t i = 0; i < field.words.size(); ++i) {
    if (absl::EqualsIgnoreCase(text, field.words[i])) return field.min + static_cast<int>(i);
  }
  const std::optional<int> number = ParseNumber(text);
  if (!number || *number < field.min || *number > field.max) {
    return Error(field, absl::StrCat("must be from ", field.min, " to ", field.max));
  }
  return *number;
}

// One entry of a list: `*`, a value or a range, with a step or without.
absl::StatusOr<uint64_t> ParseEntry(const Field& field, absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  const absl::string_view range = parts[0];
  int first = field.min;
  int last = field.max;
  if (range != "*") {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    if (ends.size() > 2) return Error(field, "has a range with more than two ends");
    TURNPIKE_ASSIGN_OR_RETURN(first, ParseValue(field, ends[0]));
    last = first;
    if (ends.size() == 2) {
      TURNPIKE_ASSIGN_OR_RETURN(last, ParseValue(field, ends[1]));
    }
    if (last < first) return Error(field, "has a range that ends before it begins");
    if (ends.size() == 1 && parts.size() > 1) {
      return Error(field, "has a step without a range; write `*/15` or `0-59/15`");
    }
  }
  int step = 1;
  if (parts.size() > 1) {
    const std::optional<int> number = ParseNumber(parts[1]);
    if (parts.size() > 2 || !number || *number < 1) return Error(field, "has a step that is none");
    step = *number;
  }
  uint64_t values = 0;
  for (int value = first; value <= last; value += step) values |= uint64_t{1} << value;
  return values;
}

absl::StatusOr<uint64_t> ParseField(const Field& field, absl::string_view text) {
  uint64_t values = 0;
  for (absl::string_view entry : absl::StrSplit(text, ',')) {
    absl::StatusOr<uint64_t> more = ParseEntry(field, entry);
    if (!more.ok()) return more.status();
    values |= *more;
  }
  return values;
}

}  // namespace

absl::StatusOr<Cron> Cron::Parse(absl::string_view text) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (fields.size() != 5) {
    return absl::InvalidArgumentError(
        "needs five fields: minute, hour, day of month, month, day of week");
  }
  Cron cron;
  TURNPIKE_ASSIGN_OR_RETURN(cron.minutes_, ParseField(kMinute, fields[0]));
  TURNPIKE_ASSIGN_OR_RETURN(cron.hours_, ParseField(kHour, fields[1]));
  TURNPIKE_ASSIGN_OR_RETURN(cron.days_, ParseField(kDay, fields[2]));
  TURNPIKE_ASSIGN_OR_RETURN(cron.months_, ParseField(kMonth, fields[3]));
  TURNPIKE_ASSIGN_OR_RETURN(cron.weekdays_, ParseField(kWeekday, fields[4]));
  if (Has(cron.weekdays_, 7)) cron.weekdays_ |= 1;
  cron.is_either_day_enough_ = fields[2][0] != '*' && fields[4][0] != '*';
  return cron;
}

bool Cron::Fits(absl::CivilDay day) const {
  if (!Has(months_, day.month())) return false;
  const bool fits_day = Has(days_, day.day());
  // absl::Weekday begins with Monday.
  const bool fits_weekday = Has(weekdays_, (static_cast<int>(absl::GetWeekday(day)) + 1) % 7);
  return is_either_day_enough_ ? fits_day || fits_weekday : fits_day && fits_weekday;
}

std::optional<absl::Time> Cron::Next(absl::Time time) const {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilMinute first = absl::ToCivilMinute(time, utc) + 1;
  const absl::CivilDay end(first.year() + kYearsMax, first.month(), 1);
  for (absl::CivilDay day(first); day < end; ++day) {
    if (!Fits(day)) continue;
    const bool is_first = day == absl::CivilDay(first);
    for (int hour = is_first ? first.hour() : 0; hour < 24; ++hour) {
      if (!Has(hours_, hour)) continue;
      const bool is_first_hour = is_first && hour == first.hour();
      for (int minute = is_first_hour ? first.minute() : 0; minute < 60; ++minute) {
        if (!Has(minutes_, minute)) continue;
        return absl::FromCivil(absl::CivilMinute(day.year(), day.month(), day.day(), hour, minute),
                               utc);
      }
    }
  }
  return std::nullopt;
}

}  // namespace turnpike::base
