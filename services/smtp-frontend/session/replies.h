// Replies between the forms they take: on the wire, in protos, in metrics.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_REPLIES_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_REPLIES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "services/common/smtp/reply.h"

namespace turnpike::frontend {

// What another service wants said. A reply that no SMTP client could read (a code outside 200..599)
// becomes 451 4.3.0.
smtp::Reply ReplyFromProto(const mail::v1::Reply& reply);
// Text is cut at 2,048 octets; octets outside 0x20..0x7e and LF become `?`.
mail::v1::Reply ReplyToProto(const smtp::Reply& reply);

// The spool has not taken a message: 452 when it is full, else 451. Never a 2xx. (PL-3)
smtp::Reply SpoolFailureReply(const absl::Status& status);

// Why a reply refuses, as label `reason` of turnpike_smtp_rejections_total: `relay_denied`,
// `unknown_recipient`, `auth_required`, `sender_policy`, `bad_credentials`, `mailbox_full`,
// `spool_full`, `size`, `rate`, `bare_newline`, `loop`, `syntax`, `unavailable`, `other`.
absl::string_view RejectionReason(const smtp::Reply& reply);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_REPLIES_H_
