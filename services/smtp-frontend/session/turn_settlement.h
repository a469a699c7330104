// What the spool is told after one message of an ATRN session. Pure.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_SETTLEMENT_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_SETTLEMENT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/common/routing/domain_classes.h"
#include "services/common/smtp/outgoing_message.h"

namespace turnpike::frontend {

// How one message was offered to the peer.
struct TurnAttempt {
  std::vector<smtp::RecipientOutcome> outcomes;  // one for each recipient, in their order
  std::string host;                              // the peer: `mail.example.org [192.0.2.1]:40123`
  bool peer_notifies = false;  // it offers DSN: notifying of success is its business
  absl::string_view content;   // all of it, or its beginning with the header
  bool content_is_complete = false;
};

struct TurnContext {
  absl::Time now;
  std::string host_name;                            // ours
  const routing::DomainClasses* classes = nullptr;  // not null
  std::function<base::MessageId()> make_id;         // for notifications
};

struct TurnSettlement {
  spool::v1::Settlement settlement;
  // Recipients, by what became of them.
  int delivered = 0;
  int kept = 0;  // held for the next session, the unknown ones among them
  int returned = 0;
  int unknown = 0;

  // Whether there is anything to record; if not, the lease is handed back.
  bool is_worth_recording() const { return settlement.outcomes_size() > 0; }
};

// 2xx: delivered. 5xx: returned to the sender, with a notification where one is due. 4xx: held for
// the next session, no attempt counted. No answer to the end of data: held, and marked as unknown
// (DQ-34, DQ-37). A recipient that was never offered stays as it was.
TurnSettlement SettleTurn(const spool::v1::LeasedDelivery& delivery, const TurnAttempt& attempt,
                          const TurnContext& context);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_SETTLEMENT_H_
