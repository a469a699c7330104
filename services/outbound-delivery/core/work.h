// One delivery that this worker holds under lease.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/core/attempt.h"
#include "services/outbound-delivery/core/route_plan.h"

namespace turnpike::delivery {

struct Work {
  // As it was leased; not changed any more. `token` below is the one that counts.
  spool::v1::LeasedDelivery delivery;
  absl::Time leased_time;
  std::shared_ptr<const RetryPolicy> retry;  // not null

  // What hosts have said in this attempt, while others are still to be asked (DL-32). Belongs to
  // the session that has the work; to the worker's lock while it waits.
  Attempt so_far;

  // The rest belongs to whoever holds the worker's lock.
  spool::v1::LeaseToken token;  // a later one when it was leased to us again
  absl::Time renewed_time;
  // False: the lease is over (its stream broke, or the store said so), and somebody else may have
  // the delivery. What is on a connection goes on, but nothing is begun.
  bool has_lease = true;
  uint64_t revision = 0;  // of the plan by which it goes
  int failovers = 0;      // how often it was put back because a connection was lost
  RoutePlanPtr fallback;  // where it goes if nobody can be connected to; null: nowhere (DL-3)

  uint64_t id() const { return delivery.token().delivery_id(); }
  size_t recipient_count() const { return static_cast<size_t>(delivery.recipients_size()); }
};

using WorkPtr = std::shared_ptr<Work>;

// Why mail could not even be offered to a host.
struct Failure {
  smtp::Reply reply;          // temporary or permanent, as its code says
  std::string host;           // `mx1.example.org [192.0.2.1]:25`; empty: none was reached
  bool is_from_peer = false;  // `reply` is the host's own
  // No host could be found, or none could be connected to: what a fallback is for (DL-3).
  bool is_unreachable = false;
  bool is_untried = false;  // no host was asked now: what others refused before is no verdict yet
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_
