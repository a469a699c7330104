// Queues and routes as operators write them.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_PLACES_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_PLACES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::ctl {

// The value of etrn.deliver_to that names no place: mail goes to the host that asks. (DQ-14)
inline constexpr char kRequestingHost[] = "requesting_host";

// The reverse of spool::QueueText; the domain is brought into its normal form. INVALID_ARGUMENT.
absl::StatusOr<spool::v1::QueueName> ParseQueue(absl::string_view text);

// `example.org` (its MX hosts), `[mx.example.org]` (that host), `192.0.2.1`, `[2001:db8::1]`; each
// with `:port` if wanted, and `lmtp:` before it for LMTP. INVALID_ARGUMENT.
absl::StatusOr<mail::v1::Route> ParseRoute(absl::string_view text);

// A route in that form; without the port where that is the usual one.
std::string RouteText(const mail::v1::Route& route);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_PLACES_H_
