// What a KEDA trigger asks for, and the figure that it gets.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_SCALER_TRIGGER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_SCALER_TRIGGER_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/spool-store/scaler/shard_totals.h"

namespace turnpike::spool {

struct Trigger {
  enum class Metric {
    kDueDeliveries,    // `due_deliveries`: those that wait for a worker or are with one
    kOldestDueSeconds  // `oldest_due_seconds`: for how long the longest-waiting has been due
  };

  Metric metric = Metric::kDueDeliveries;
  double target = 0;  // > 0: how much of it a worker is good for

  // Of a trigger's `metadata`, where both keys must be; others are KEDA's own or nobody's.
  // INVALID_ARGUMENT says what is wrong.
  static absl::StatusOr<Trigger> Parse(const std::map<std::string, std::string>& metadata);

  const char* name() const;  // `due_deliveries`
  double Figure(const Totals& totals, absl::Time now) const;
};

// Whether a worker has anything to do. What is leased counts: the last worker must not be taken
// away from its mail.
bool HasWork(const Totals& totals);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_SCALER_TRIGGER_H_
