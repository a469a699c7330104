// What each gateway's queue holds, as metrics, and a warning about what nobody collects. (DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "services/common/base/current.h"
#include "services/common/base/ticker.h"
#include "services/gateway-dequeue/core/settings.h"
#include "services/gateway-dequeue/rpc/metrics.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::dequeue {

// Asks the spool for every gateway's figures, a few at a time, again and again. While the store is
// away the figures stay as they were.
//
// Thread-safe.
class QueueWatch {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(15);  // between two rounds
    size_t gateways_max = 64;                     // with a label of their own; the rest is `_other`
    // Held mail older than this is warned of; or than half of its retention, where that is less.
    absl::Duration overdue_age = absl::Hours(72);
    absl::Duration warning_interval = absl::Hours(24);  // between two warnings of a gateway
  };
  // What one label stands for.
  struct Figures {
    int64_t held = 0;
    int64_t bytes = 0;
    int64_t oldest_seconds = 0;  // since 1970; 0: empty
  };

  // All references must outlive the watch, which has a thread of its own.
  QueueWatch(const base::Current<Settings>& settings, spool::Spool& spool, Metrics& metrics,
             const Options& options);

 private:
  // False if the store did not answer.
  bool Round(const base::Ticker& ticker);
  bool IsOverdue(const Gateway& gateway, const spool::v1::QueueStats& stats, absl::Time now) const;
  // Takes the series of gateways away that are no longer in the configuration.
  void Show(const std::map<std::string, Figures>& figures);
  void WarnOf(const Gateway& gateway, const spool::v1::QueueStats& stats, absl::Time now);

  const base::Current<Settings>& settings_;
  spool::Spool& spool_;
  Metrics& metrics_;
  const Options options_;
  // Of the thread.
  std::map<std::string, absl::Time> warned_;  // overdue gateways
  std::set<std::string> shown_;               // the labels of the last round
  base::Ticker ticker_;                       // last: its thread uses the others
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
