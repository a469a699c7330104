#include "services/spool-store/scaler/trigger.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::spool {
namespace {

constexpr char kDueDeliveries[] = "due_deliveries";
constexpr char kOldestDueSeconds[] = "oldest_due_seconds";

std::string ValueOf(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

}  // namespace

absl::StatusOr<Trigger> Trigger::Parse(const std::map<std::string, std::string>& metadata) {
  Trigger trigger;
  const std::string metric = ValueOf(metadata, "metric");
  if (metric == kDueDeliveries) {
    trigger.metric = Metric::kDueDeliveries;
  } else if (metric == kOldestDueSeconds) {
    trigger.metric = Metric::kOldestDueSeconds;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("metadata.metric must be `", kDueDeliveries,
                                                   "` or `", kOldestDueSeconds, "`"));
  }
  if (!absl::SimpleAtod(ValueOf(metadata, "target"), &trigger.target) ||
      !std::isfinite(trigger.target) || trigger.target <= 0) {
    return absl::InvalidArgumentError(
        "metadata.target must be a number above 0: how much one worker is good for");
  }
  return trigger;
}

const char* Trigger::name() const {
  return metric == Metric::kDueDeliveries ? kDueDeliveries : kOldestDueSeconds;
}

double Trigger::Figure(const Totals& totals, absl::Time now) const {
  if (metric == Metric::kDueDeliveries) return static_cast<double>(totals.due + totals.leased);
  if (!totals.oldest_due.has_value()) return 0;
  return std::max(0.0, absl::ToDoubleSeconds(now - *totals.oldest_due));
}

bool HasWork(const Totals& totals) { return totals.due + totals.leased > 0; }

}  // namespace turnpike::spool
