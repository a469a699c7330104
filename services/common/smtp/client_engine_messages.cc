// Messages: what is sent when, and what each reply decides.
#include <utility>

#include "absl/base/macros.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/client_engine_message.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kChunksInFlightMax = 4;

}  // namespace

using client_event::Closed;
using Step = MessageStep;

// --- Sending ---

bool ClientEngine::can_send() const {
  if (phase_ != Phase::kReady || sending() != nullptr || abort_) return false;
  return messages_.size() < (capabilities_.pipelining ? 2 : 1);
}

uint64_t ClientEngine::Send(OutgoingMessage message) {
  ABSL_HARDENING_ASSERT(can_send() && !message.recipients.empty());
  if (message.parameters.body.value_or(BodyType::k7Bit) == BodyType::k7Bit &&
      (message.body_has_8bit || message.header_has_8bit)) {
    message.parameters.body = BodyType::k8BitMime;  // what it is, whatever was declared
  }
  const uint64_t id = next_message_++;
  messages_.push_back(std::make_unique<Message>(id, std::move(message)));
  Message& added = *messages_.back();
  added.uses_chunks = capabilities_.chunking;
  added.is_released = !added.outgoing.is_end_of_data_held;
  if (const std::optional<Reply> hindrance = FindHindrance(added.outgoing, capabilities_)) {
    added.step = Step::kAbandoned;
    added.DecideAll(Stage::kLocal, *hindrance, /*is_from_peer=*/false);
    ReportEndedMessages();
  }
  return id;
}

void ClientEngine::Pump() {
  while (Message* message = sending()) {
    if (message->step != Step::kEnvelope || !PumpStep(*message)) return;
  }
}

bool ClientEngine::PumpStep(Message& message) {
  if (expected_.size() >= pipelined_commands_max()) return false;
  if (needs_reset_) {
    needs_reset_ = false;
    SendCommand("RSET", {.what = Waiting::kReset});
    return true;
  }
  const OutgoingMessage& outgoing = message.outgoing;
  if (!message.is_mail_sent) {
    message.is_mail_sent = true;
    std::string line = absl::StrCat("MAIL FROM:<", outgoing.return_path.ToString(), ">");
    AppendMailParameters(outgoing.parameters, capabilities_, &line);
    SendCommand(line, {.what = Waiting::kMail, .message = &message});
    return true;
  }
  if (message.recipients_sent < outgoing.recipients.size()) {
    const size_t index = message.recipients_sent++;
    const OutgoingRecipient& recipient = outgoing.recipients[index];
    std::string line = absl::StrCat("RCPT TO:<", recipient.path.ToString(), ">");
    AppendRcptParameters(recipient.parameters, capabilities_, &line);
    SendCommand(line, {.what = Waiting::kRecipient, .message = &message, .recipient = index});
    return true;
  }
  return PumpData(message);
}

bool ClientEngine::PumpData(Message& message) {
  if (message.is_data_sent || message.outgoing.is_question) return false;
  // DATA cannot be taken back once it is on the way, so it is pipelined with the recipients only
  // where no reply to them can change anything. [RFC2920 3.1]
  const bool is_patient = message.uses_chunks || message.outgoing.is_aborted_by_refused_recipient;
  if (is_patient && message.recipient_replies_left > 0) return false;
  message.is_data_sent = true;
  if (message.uses_chunks) {
    message.step = Step::kContent;
  } else {
    SendCommand("DATA", {.what = Waiting::kDataStart, .message = &message});
  }
  return true;
}

bool ClientEngine::IsContentWanted() const {
  const Message* message = sending();
  if (message == nullptr || message->step != Step::kContent) return false;
  // LMTP answers the last chunk per recipient, which must not mix with earlier chunks' replies.
  const bool is_one_by_one = !capabilities_.pipelining || options_.is_lmtp;
  return message->chunk_replies_due < (is_one_by_one ? 1 : kChunksInFlightMax);
}

void ClientEngine::SendContent(absl::string_view piece, bool is_last) {
  Message* message = sending();
  if (message == nullptr || message->step != Step::kContent) return;  // it was abandoned meanwhile
  if (message->uses_chunks) return SendChunk(*message, piece, is_last);
  if (!message->encoder.Encode(piece, &output_)) {
    return AbortMessage(*message, Closed::Reason::kUnsendableContent, kContentUnsendable);
  }
  if (is_last) HoldOrSendEndOfData(*message);
}

void ClientEngine::SendChunk(Message& message, absl::string_view piece, bool is_last) {
  if (is_last && message.is_released) {
    absl::StrAppend(&output_, "BDAT ", piece.size(), " LAST\r\n", piece);
    return ExpectEndOfData(message);
  }
  if (!piece.empty()) {
    SendCommand(absl::StrCat("BDAT ", piece.size()),
                {.what = Waiting::kChunk, .message = &message});
    output_.append(piece.data(), piece.size());
    ++message.chunk_replies_due;
  }
  if (is_last) HoldOrSendEndOfData(message);
}

void ClientEngine::HoldOrSendEndOfData(Message& message) {
  message.step = Step::kHeld;
  if (message.is_released) return SendEndOfData(message);
  events_.push_back(client_event::EndOfDataHeld{message.id});
}

void ClientEngine::ReleaseEndOfData(uint64_t id) {
  for (const std::unique_ptr<Message>& message : messages_) {
    if (message->id != id) continue;
    message->is_released = true;
    if (message->step == Step::kHeld) SendEndOfData(*message);
    return;
  }
}

void ClientEngine::SendEndOfData(Message& message) {
  if (message.uses_chunks) {
    if (options_.is_lmtp && message.chunk_replies_due > 0) return;  // HandleChunk comes back here
    absl::StrAppend(&output_, "BDAT 0 LAST\r\n");
  } else if (!message.encoder.Finish(&output_)) {
    return AbortMessage(message, Closed::Reason::kUnsendableContent, kContentUnsendable);
  }
  ExpectEndOfData(message);
}

// [RFC2033 4.2] LMTP: one reply for each recipient that was accepted, in their order.
void ClientEngine::ExpectEndOfData(Message& message) {
  message.step = Step::kEndOfData;
  for (size_t i = 0; i < message.outcomes.size(); ++i) {
    if (options_.is_lmtp && message.outcomes[i]) continue;
    expected_.push_back({.what = Waiting::kEndOfData, .message = &message, .recipient = i});
    ++message.replies_due;
    if (!options_.is_lmtp) return;
  }
}

void ClientEngine::AbortContent(const Reply& why) {
  Message* message = sending();
  if (message != nullptr) AbortMessage(*message, Closed::Reason::kAborted, why);
}

// Inside of DATA there is no way back, so the session ends; but not before the answer to the
// message ahead has come, which would be unknown otherwise.
void ClientEngine::AbortMessage(Message& message, Closed::Reason reason, const Reply& why) {
  message.step = Step::kAbandoned;
  message.DecideAll(Stage::kLocal, why, /*is_from_peer=*/false);
  abort_ = Closed{reason, why};
  FinishAbort();
}

void ClientEngine::FinishAbort() {
  const bool is_first = messages_.empty() || messages_.front()->step == Step::kAbandoned;
  if (abort_ && is_first) EndSession(abort_->reason, abort_->reply, /*is_from_peer=*/false);
}

// --- Replies ---

void ClientEngine::HandleMessageReply(const Expected& expected, const Reply& reply) {
  Message& message = *expected.message;
  --message.replies_due;
  switch (expected.what) {
    case Waiting::kMail:
      HandleMail(message, reply);
      break;
    case Waiting::kRecipient:
      HandleRecipient(message, expected.recipient, reply);
      break;
    case Waiting::kDataStart:
      HandleDataStart(message, reply);
      break;
    case Waiting::kChunk:
      HandleChunk(message, reply);
      break;
    case Waiting::kEndOfData:
      HandleEndOfData(message, expected.recipient, reply);
      break;
    case Waiting::kNothing:
    case Waiting::kGreeting:
    case Waiting::kHello:
    case Waiting::kStartTls:
    case Waiting::kAuth:
    case Waiting::kReset:
    case Waiting::kQuit:
    case Waiting::kEtrn:
    case Waiting::kAtrn:
      break;  // no message's
  }
  if (phase_ == Phase::kEnded) return;
  // Nothing is left to do for it: the transaction is abandoned, unless its end is on the way.
  if (message.is_decided() && message.step != Step::kEndOfData) message.step = Step::kAbandoned;
  ReportEndedMessages();
  FinishAbort();
}

void ClientEngine::HandleMail(Message& message, const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("MAIL was answered 3xx");
  message.is_mail_accepted = reply.is_positive();
  if (!message.is_mail_accepted) message.DecideAll(Stage::kMail, reply, /*is_from_peer=*/true);
}

void ClientEngine::HandleRecipient(Message& message, size_t recipient, const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("RCPT was answered 3xx");
  --message.recipient_replies_left;
  if (reply.is_positive() && !message.outgoing.is_question) return;
  message.Decide(recipient, Stage::kRecipient, reply, /*is_from_peer=*/true);
  if (reply.is_permanent() && message.outgoing.is_aborted_by_refused_recipient) {
    message.DecideAll(Stage::kRecipient, reply, /*is_from_peer=*/true);
  }
}

void ClientEngine::HandleDataStart(Message& message, const Reply& reply) {
  if (reply.is_positive()) return ProtocolError("DATA was answered 2xx");
  if (!reply.is_intermediate()) {
    return message.DecideAll(Stage::kData, reply, /*is_from_peer=*/true);
  }
  if (!message.is_decided()) {
    message.step = Step::kContent;
    return;
  }
  // [RFC2920 3.1] nobody is left to send to, but the peer waits for an end of data.
  if (options_.is_lmtp) return ProtocolError("DATA was accepted without a recipient");
  output_ += ".\r\n";
  ExpectEndOfData(message);
}

void ClientEngine::HandleChunk(Message& message, const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("BDAT was answered 3xx");
  --message.chunk_replies_due;
  if (!reply.is_positive()) return message.DecideAll(Stage::kData, reply, /*is_from_peer=*/true);
  if (message.step == Step::kHeld && message.is_released) SendEndOfData(message);
}

void ClientEngine::HandleEndOfData(Message& message, size_t recipient, const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("the end of data was answered 3xx");
  if (options_.is_lmtp) {
    message.Decide(recipient, Stage::kEndOfData, reply, /*is_from_peer=*/true);
  } else {
    message.DecideAll(Stage::kEndOfData, reply, /*is_from_peer=*/true);
  }
  // [RFC3030 2] after a refused chunk the peer wants RSET; after data it has none to do.
  if (message.uses_chunks && !reply.is_positive()) needs_reset_ = true;
}

void ClientEngine::ReportEndedMessages() {
  while (!messages_.empty() && messages_.front()->is_ended()) {
    Message& message = *messages_.front();
    if (message.step == Step::kAbandoned && message.is_mail_accepted) needs_reset_ = true;
    client_event::MessageDone done{message.id, {}};
    done.outcomes.reserve(message.outcomes.size());
    for (std::optional<RecipientOutcome>& outcome : message.outcomes) {
      done.outcomes.push_back(*std::move(outcome));
    }
    events_.push_back(std::move(done));
    messages_.pop_front();
  }
}

void ClientEngine::EndSession(Closed::Reason reason, const Reply& reply, bool is_from_peer) {
  for (const std::unique_ptr<Message>& message : messages_) {
    for (size_t i = 0; i < message->outcomes.size(); ++i) {
      // [RFC1047] the one window in which nobody can know.
      if (message->step == Step::kEndOfData) {
        message->Decide(i, Stage::kEndOfData, reply, is_from_peer, Disposition::kUnknown);
      } else {
        message->Decide(i, Stage::kConnection, reply, is_from_peer, Disposition::kTransientFailure);
      }
    }
    message->replies_due = 0;
  }
  expected_.clear();
  ReportEndedMessages();
  closed_ = Closed{reason, reply};
  phase_ = Phase::kEnded;
  input_.clear();
  input_used_ = 0;
}

// --- Which message ---

const ClientEngine::Message* ClientEngine::sending() const {
  if (messages_.empty()) return nullptr;
  const Message& last = *messages_.back();
  const bool is_past_end =
      last.step == Step::kEndOfData || (last.step == Step::kAbandoned && last.replies_due == 0);
  return is_past_end ? nullptr : &last;
}

ClientEngine::Message* ClientEngine::sending() {
  return const_cast<Message*>(std::as_const(*this).sending());
}

size_t ClientEngine::pipelined_commands_max() const {
  return capabilities_.pipelining ? options_.pipelined_commands_max : 1;
}

}  // namespace turnpike::smtp
