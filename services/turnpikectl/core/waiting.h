// Why a message is still here.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_WAITING_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_WAITING_H_

#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::ctl {

// What an operator has said about a delivery's gateway.
struct Suspension {
  bool is_suspended = false;
  std::string reason = {};  // as the operator gave it; may be empty
};

// One or two sentences for an operator: what it waits for, what the last host said, when it is
// tried again. May hold text of strangers; Printable makes it safe.
std::string WhyItWaits(const spool::v1::Delivery& delivery, const Suspension& suspension,
                       absl::Time now);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_WAITING_H_
