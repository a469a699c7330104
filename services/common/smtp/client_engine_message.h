// A message on its way out: private to the client engine's source files.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_MESSAGE_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/data_encoder.h"
#include "services/common/smtp/outgoing_message.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

enum class MessageStep {
  kEnvelope,   // MAIL, RCPT and DATA go out
  kContent,    // the peer takes content
  kHeld,       // all is sent but the end of data
  kEndOfData,  // the end of data, or the last chunk, is sent
  kAbandoned,  // every recipient's fate is known before that
};

struct ClientEngine::Message {
  Message(uint64_t id, OutgoingMessage outgoing)
      : id(id), outgoing(std::move(outgoing)), outcomes(this->outgoing.recipients.size()) {
    undecided_count = outcomes.size();
    recipient_replies_left = outcomes.size();
  }

  bool is_decided() const { return undecided_count == 0; }
  bool is_ended() const { return is_decided() && replies_due == 0; }

  // Settles one recipient, unless it is settled.
  void Decide(size_t recipient, Stage stage, const Reply& reply, bool is_from_peer,
              Disposition disposition) {
    if (outcomes[recipient]) return;
    outcomes[recipient] = RecipientOutcome{disposition, stage, reply, is_from_peer};
    --undecided_count;
  }
  void Decide(size_t recipient, Stage stage, const Reply& reply, bool is_from_peer) {
    Decide(recipient, stage, reply, is_from_peer,
           reply.is_positive()    ? Disposition::kDelivered
           : reply.is_permanent() ? Disposition::kPermanentFailure
                                  : Disposition::kTransientFailure);
  }
  void DecideAll(Stage stage, const Reply& reply, bool is_from_peer) {
    for (size_t i = 0; i < outcomes.size(); ++i) Decide(i, stage, reply, is_from_peer);
  }

  const uint64_t id;
  const OutgoingMessage outgoing;
  MessageStep step = MessageStep::kEnvelope;
  std::vector<std::optional<RecipientOutcome>> outcomes;
  size_t undecided_count = 0;
  size_t replies_due = 0;  // to commands of this message that are sent
  bool is_mail_sent = false;
  bool is_mail_accepted = false;
  size_t recipients_sent = 0;
  size_t recipient_replies_left = 0;  // until every RCPT is answered
  bool is_data_sent = false;
  bool uses_chunks = false;
  size_t chunk_replies_due = 0;
  bool is_released = false;  // the end of data may go
  DataEncoder encoder;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_ENGINE_MESSAGE_H_
