// Mail that leaves in rounds (DL-8): which deliveries may go now. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUNDS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUNDS_H_

#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::delivery {

// Rounds begin at multiples of the interval, for all workers at once, and last until nothing of
// theirs has come for a moment. A message that was received after a round began, or that becomes
// due or is released when the round is over, waits for the next one. A worker that starts between
// two rounds waits too.
//
// Thread safety: thread-compatible.
class Rounds {
 public:
  // `interval` zero: there are no rounds, and everything may go at any time.
  Rounds(absl::Duration interval, absl::Time now);

  bool is_on() const { return interval_ > absl::ZeroDuration(); }
  absl::Duration interval() const { return interval_; }
  // Whether a remote or released delivery that has just been leased may be sent now.
  bool MayGo(const spool::v1::LeasedDelivery& delivery, absl::Time now);
  // True once for each round that has begun: what waits for it can be leased.
  bool TakeBeginning(absl::Time now);

 private:
  void Update(absl::Time now);

  absl::Duration interval_;
  absl::Duration quiet_time_;
  absl::Time next_;                           // beginning of the next round
  absl::Time begin_ = absl::InfinitePast();   // of the last one
  absl::Time active_ = absl::InfinitePast();  // when something of it came last
  bool has_begun_ = false;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ROUNDS_H_
