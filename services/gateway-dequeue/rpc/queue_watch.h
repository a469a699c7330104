// What each gateway's queue holds, as metrics, and a warning about what nobody collects. (DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_

#include <map>
#include <string>

#include "absl/time/time.h"
#include "services/common/base/ticker.h"
#include "services/gateway-dequeue/core/gateways.h"
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
  // All references must outlive the watch, which has a thread of its own.
  QueueWatch(const GatewayTable& gateways, spool::Spool& spool, Metrics& metrics,
             const Options& options);

 private:
  // False if the store did not answer.
  bool Round(const base::Ticker& ticker);
  bool IsOverdue(const Gateway& gateway, const spool::v1::QueueStats& stats, absl::Time now) const;
  void WarnOf(const Gateway& gateway, const spool::v1::QueueStats& stats, absl::Time now);

  const GatewayTable& gateways_;
  spool::Spool& spool_;
  Metrics& metrics_;
  const Options options_;
  std::map<std::string, absl::Time> warned_;  // overdue gateways; used by the thread alone
  base::Ticker ticker_;                       // last: its thread uses the others
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
