// A message as the client side sends it, and what became of it.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_OUTGOING_MESSAGE_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_OUTGOING_MESSAGE_H_

#include <optional>
#include <vector>

#include "services/common/smtp/address.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/parameters.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

struct OutgoingRecipient {
  Path path;  // not null
  RcptParameters parameters;
};

struct OutgoingMessage {
  Path return_path;
  // As the message came to us. `size_bytes`, if set, is the size of the content as it is sent.
  MailParameters parameters;
  std::vector<OutgoingRecipient> recipients;  // at least one
  bool header_has_8bit = false;               // HeaderFacts, as found when it was received
  bool body_has_8bit = false;

  // One permanent refusal of a recipient ends the message for all (DL-30). Costs a round trip.
  bool is_aborted_by_refused_recipient = false;
  // Only asks whether the peer takes mail for the recipients: MAIL and RCPT are sent, nothing more.
  // An outcome of kDelivered means that it would.
  bool is_question = false;
  // The end of data waits for ReleaseEndOfData (DQ-34).
  bool is_end_of_data_held = false;
};

// Where in the dialogue a recipient's fate was decided.
enum class Stage {
  kLocal,  // here, before anything was sent: the peer lacks what the message needs
  kMail,
  kRecipient,
  kData,        // the reply to DATA, or to a chunk before the last
  kEndOfData,   // the reply to the end of data, or to the last chunk
  kConnection,  // the connection, or the peer's grasp of the protocol, was lost
};

enum class Disposition {
  kDelivered,         // the peer has taken responsibility
  kTransientFailure,  // try again
  kPermanentFailure,  // do not
  // The end of data was sent and no answer came: the peer may or may not have it [RFC1047]. (DQ-37)
  kUnknown,
};

struct RecipientOutcome {
  Disposition disposition = Disposition::kTransientFailure;
  Stage stage = Stage::kConnection;
  Reply reply;  // the peer's words, or ours if not is_from_peer
  bool is_from_peer = false;

  friend bool operator==(const RecipientOutcome&, const RecipientOutcome&) = default;
};

// Whether the message can go to a peer that offers `peer`: nothing if so, else the reply that every
// recipient gets. What the message declares but does not need is no hindrance: SMTPUTF8 with ASCII
// addresses and an ASCII header, 8BITMIME without 8-bit octets.
//   554 5.6.3   needs 8BITMIME or BINARYMIME     [RFC6152 3] [RFC3030 3]
//   553 5.6.7   needs SMTPUTF8                   [RFC6531 3.5]
//   550 5.7.30  needs REQUIRETLS                 [RFC8689 4.2.1]
//   552 5.3.4   is larger than the peer's limit  [RFC1870 7]
std::optional<Reply> FindHindrance(const OutgoingMessage& message, const Capabilities& peer);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_OUTGOING_MESSAGE_H_
