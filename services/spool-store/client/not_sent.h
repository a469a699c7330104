// Tells what never left this process from what may have arrived although its answer has not.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_NOT_SENT_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_NOT_SENT_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace turnpike::spool {

inline constexpr char kNotSentPayload[] = "turnpike.spool/not-sent";

// UNAVAILABLE, and known not to have been done: another store may be asked instead.
inline absl::Status NotSentError(absl::string_view message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kNotSentPayload, absl::Cord());
  return status;
}

inline bool IsNotSent(const absl::Status& status) {
  return status.GetPayload(kNotSentPayload).has_value();
}

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_NOT_SENT_H_
