#include "services/gateway-dequeue/collect/schedule.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::Duration kFirstRunMax = absl::Minutes(1);
constexpr double kJitter = 0.1;

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration));
}

// In 0..1, the same in every process (FNV-1a).
double Fraction(absl::string_view name, absl::Time time) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : absl::StrCat(name, " ", absl::ToUnixNanos(time))) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return static_cast<double>(hash >> 32) / 4294967296.0;
}

}  // namespace

bool IsFailure(v1::RunEnding ending) {
  return ending != v1::RUN_ENDING_COMPLETED && ending != v1::RUN_ENDING_NO_MAIL;
}

absl::StatusOr<Schedule> Schedule::FromConfig(const config::v1::Schedule& config) {
  Schedule schedule;
  schedule.every_ = FromProto(config.every());
  if (!config.cron().empty()) {
    absl::StatusOr<base::Cron> cron = base::Cron::Parse(config.cron());
    if (!cron.ok()) return cron.status();
    schedule.cron_ = *std::move(cron);
  }
  schedule.retry_after_ = FromProto(config.retry_after());
  schedule.retry_after_max_ = FromProto(config.retry_after_max());
  return schedule;
}

absl::Duration Schedule::RetryDelay(int32_t failures) const {
  absl::Duration delay = retry_after_;
  for (int32_t i = 1; i < failures && delay < retry_after_max_; ++i) delay *= 2;
  return std::min(delay, retry_after_max_);
}

std::optional<absl::Time> Schedule::NextRun(absl::string_view name, const RunHistory& history,
                                            absl::Time start_time) const {
  if (every_ == absl::ZeroDuration() && !cron_.has_value()) return std::nullopt;
  if (history.failures > 0 && history.last_end.has_value()) {
    const absl::Duration delay = RetryDelay(history.failures);
    return *history.last_end + delay * (1 + kJitter * Fraction(name, *history.last_end));
  }
  if (cron_.has_value()) return cron_->Next(history.last_end.value_or(start_time));
  if (!history.last_end.has_value()) {
    return start_time + std::min(every_, kFirstRunMax) * Fraction(name, start_time);
  }
  return *history.last_end + every_ * (1 + kJitter * Fraction(name, *history.last_end));
}

}  // namespace turnpike::dequeue
