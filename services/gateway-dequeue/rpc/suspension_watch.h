// Ends the sessions of gateways that have been suspended by another replica. (DQ-61)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SUSPENSION_WATCH_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SUSPENSION_WATCH_H_

#include "absl/time/time.h"
#include "services/common/base/ticker.h"
#include "services/gateway-dequeue/rpc/dequeue_service.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// Looks while sessions run, and now and then to count the suspended gateways.
//
// Thread-safe; has a thread of its own, which ends with it.
class SuspensionWatch {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(1);
    absl::Duration idle_interval = absl::Seconds(15);
  };
  // Both references outlive this.
  SuspensionWatch(const Parts& parts, DequeueService& service, const Options& options);

 private:
  void Round();

  const Parts& parts_;
  DequeueService& service_;
  const Options options_;
  absl::Time next_count_ = absl::InfinitePast();  // used by the thread alone
  base::Ticker ticker_;                           // last: its thread uses the others
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_SUSPENSION_WATCH_H_
