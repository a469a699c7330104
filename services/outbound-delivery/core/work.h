// One delivery that this worker holds under lease.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/reply.h"

namespace turnpike::delivery {

struct Work {
  // As it was leased; not changed any more. `token` below is the one that counts.
  spool::v1::LeasedDelivery delivery;
  absl::Time leased_time;

  // The rest belongs to whoever holds the worker's lock.
  spool::v1::LeaseToken token;  // a later one when it was leased to us again
  absl::Time renewed_time;
  int failovers = 0;  // how often it was put back because a connection was lost

  uint64_t id() const { return delivery.token().delivery_id(); }
};

using WorkPtr = std::shared_ptr<Work>;

// Why mail could not even be offered to a host.
struct Failure {
  smtp::Reply reply;          // temporary or permanent, as its code says
  std::string host;           // `mx1.example.org [192.0.2.1]:25`; empty: none was reached
  bool is_from_peer = false;  // `reply` is the host's own
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_WORK_H_
