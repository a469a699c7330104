// Returns what has been held for too long to its senders. (DQ-2)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RETENTION_ROUNDS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RETENTION_ROUNDS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/base/ticker.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// One of all replicas does it for a gateway at a time: whoever has the lock `retention/<gateway>`.
// What an ATRN session has leased is left to it. What ETRN has released follows the retry rules and
// is none of this.
//
// Thread-safe; has a thread of its own, which ends with it.
class RetentionRounds {
 public:
  struct Options {
    absl::Duration tick = absl::Seconds(1);
    absl::Duration interval_max = absl::Seconds(30);  // between two looks at a gateway's queue
    absl::Duration stall_time = absl::Seconds(30);    // the store says nothing for so long: give up
  };
  // `parts` outlives this.
  RetentionRounds(const Parts& parts, const Options& options);

 private:
  class Feed;

  void Round(const base::Ticker& ticker);
  void TakeSettings();
  bool MayHaveExpired(const Gateway& gateway, absl::Time cutoff);
  void Sweep(const Gateway& gateway, absl::Time cutoff, const base::Ticker& ticker);
  void Return(const Gateway& gateway, const spool::v1::LeasedDelivery& delivery);
  // The content, or its first piece.
  absl::StatusOr<std::string> ReadBeginning(const spool::v1::LeasedDelivery& delivery);

  const Parts& parts_;
  const Options options_;
  // Of the thread.
  std::shared_ptr<const Settings> settings_;  // of the last round
  std::map<GatewayPointer, absl::Time> due_;  // those with a retention, and when to look next
  base::Ticker ticker_;                       // last: its thread uses the others
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RETENTION_ROUNDS_H_
