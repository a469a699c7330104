// Decides whether a notification is due, and makes the message for the spool.
//
//   std::optional<spool::v1::NewMessage> notice =
//       dsn::FollowUpFor(dsn::Kind::kFailed, original, recipients, context, classes);
//   if (notice) *settlement.add_follow_ups() = *std::move(notice);
#ifndef TURNPIKE_SERVICES_COMMON_DSN_DSN_H_
#define TURNPIKE_SERVICES_COMMON_DSN_DSN_H_

#include <optional>
#include <vector>

#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/dsn/report.h"
#include "services/common/routing/domain_classes.h"

namespace turnpike::dsn {

// Whether the sender wants to hear this of the recipient: as NOTIFY says; without NOTIFY of
// failures and delays. [RFC3461 4.1, 5.2]
bool IsWanted(Kind kind, const mail::v1::Recipient& recipient);

// The notification to the sender about those of `recipients` that the sender wants to hear of; in
// the queue of the sender's own domain (held, for a gateway's). Nothing when nobody is left, and
// always for the null sender [RFC5321 6.1] and for a return path that is no address. Its own
// sender is null and its NOTIFY is NEVER, so that it is never answered. [RFC3461 6.1]
std::optional<spool::v1::NewMessage> FollowUpFor(Kind kind, const Original& original,
                                                 const std::vector<RecipientReport>& recipients,
                                                 const Context& context,
                                                 const routing::DomainClasses& classes);

}  // namespace turnpike::dsn

#endif  // TURNPIKE_SERVICES_COMMON_DSN_DSN_H_
