// Releases at an interval, without being asked. (DQ-3)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_FORWARD_ROUNDS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_FORWARD_ROUNDS_H_

#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/base/ticker.h"
#include "services/gateway-dequeue/core/overrides.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// One of all replicas does it: whoever makes the entry `forward/<gateway>` of the shared state. The
// entry lives for a short while at first, so that another replica does what this one did not live
// to do; once the release is durable it is renewed, and lives until the next one is due.
//
// Thread-safe; has a thread of its own, which ends with it.
class ForwardRounds {
 public:
  struct Options {
    absl::Duration tick = absl::Seconds(1);
    absl::Duration claim_time = absl::Minutes(1);   // longer than a release takes
    absl::Duration retry_delay = absl::Seconds(5);  // after a failure
  };
  // `parts` outlives this.
  ForwardRounds(const Parts& parts, const Options& options);

 private:
  void Round(const base::Ticker& ticker);
  void TakeSettings();
  // When to look again.
  absl::Time Look(const Gateway& gateway, absl::Time now);
  absl::Time WhenFree(const Gateway& gateway, absl::Time now);
  absl::Status Release(const Gateway& gateway);

  const Parts& parts_;
  const Options options_;
  // Of the thread.
  std::shared_ptr<const Settings> settings_;  // of the last round
  std::map<GatewayPointer, absl::Time> due_;  // those with an interval, and when to look next
  base::Ticker ticker_;                       // last: its thread uses the others
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_FORWARD_ROUNDS_H_
