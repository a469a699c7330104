#include "services/common/net/smtp_client.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/time/clock.h"
#include "services/common/net/sasl_client.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::net {
namespace {

using smtp::client_event::AtrnDone;
using smtp::client_event::AuthChallenge;
using smtp::client_event::AuthDone;
using smtp::client_event::Closed;
using smtp::client_event::EndOfDataHeld;
using smtp::client_event::EtrnDone;
using smtp::client_event::MessageDone;
using smtp::client_event::NeedContent;
using smtp::client_event::NeedInput;
using smtp::client_event::Ready;
using smtp::client_event::StartTlsRefused;
using StartTlsAccepted = smtp::client_event::StartTls;

// Content is encoded and written in parts of this size; as a chunk (BDAT), each part is one.
constexpr size_t kContentPartBytes = 128 * 1024;
constexpr size_t kOutputBytesMax = 64 * 1024;  // gathered before it is written
// A server that looks up each recipient answers the last of many late.
constexpr absl::Duration kTimeoutPerRecipient = absl::Seconds(30);
// [RFC4954 4] an AUTH command keeps to the limit of a command line, with what stands round it.
constexpr size_t kInitialResponseBytesMax = 350;

SmtpSessionEnd::Cause CauseOf(Closed::Reason reason) {
  switch (reason) {
    case Closed::Reason::kQuit:
      return SmtpSessionEnd::Cause::kQuit;
    case Closed::Reason::kRefused:
      return SmtpSessionEnd::Cause::kRefused;
    case Closed::Reason::kServiceClosing:
      return SmtpSessionEnd::Cause::kServiceClosing;
    case Closed::Reason::kProtocolError:
      return SmtpSessionEnd::Cause::kProtocolError;
    case Closed::Reason::kDisconnected:
      return SmtpSessionEnd::Cause::kDisconnected;
    case Closed::Reason::kAborted:
      return SmtpSessionEnd::Cause::kAborted;
    case Closed::Reason::kUnsendableContent:
      return SmtpSessionEnd::Cause::kUnsendableContent;
  }
  return SmtpSessionEnd::Cause::kDisconnected;
}

std::vector<smtp::RecipientOutcome> LostOutcomes(size_t count, const smtp::Reply& why) {
  return std::vector<smtp::RecipientOutcome>(
      count, smtp::RecipientOutcome{.disposition = smtp::Disposition::kTransientFailure,
                                    .stage = smtp::Stage::kConnection,
                                    .reply = why,
                                    .is_from_peer = false});
}

}  // namespace

SmtpClient::SmtpClient(Stream& stream, SmtpClientOptions options)
    : stream_(stream), options_(std::move(options)), engine_(options_.engine) {}

SmtpClient::~SmtpClient() = default;

// --- The session ---

asio::awaitable<std::optional<SmtpSessionEnd>> SmtpClient::Open() {
  if (options_.tls == SmtpTls::kImplicit) {
    const bool has_tls = co_await Handshake();
    if (!has_tls) co_return end_;
  }
  const smtp::ClientEvent event = co_await NextEvent();
  if (!std::holds_alternative<Ready>(event)) co_return end_;
  co_await StartTls();
  if (!end_.has_value() && options_.sasl != nullptr) co_await Authenticate();
  co_return end_;
}

asio::awaitable<void> SmtpClient::StartTls() {
  const bool is_required = options_.tls == SmtpTls::kRequired;
  if (stream_.has_tls() || (!is_required && options_.tls != SmtpTls::kOpportunistic)) co_return;
  if (!engine_.capabilities().start_tls) {
    if (is_required) {
      co_await Leave(Cause::kTlsNotOffered,
                     smtp::Reply(smtp::kTlsUnavailable, "STARTTLS is required, but not offered"));
    }
    co_return;
  }
  engine_.StartTls();
  const smtp::ClientEvent event = co_await NextEvent();
  if (const auto* refused = std::get_if<StartTlsRefused>(&event)) {
    if (is_required) co_await Leave(Cause::kTlsRefused, refused->reply);
    co_return;
  }
  if (!std::holds_alternative<StartTlsAccepted>(event)) co_return;
  const bool has_tls = co_await Handshake();
  if (!has_tls) co_return;
  engine_.OnTlsStarted();
  co_await NextEvent();  // Ready again, or Closed
}

asio::awaitable<bool> SmtpClient::Handshake() {
  const absl::Status status = co_await stream_.StartTlsAsClient(
      options_.tls_context, options_.tls_peer, absl::Now() + options_.timeouts.command);
  if (!status.ok()) End(Cause::kTlsFailed, smtp::Reply(smtp::kTlsUnavailable, status.message()));
  co_return status.ok();
}

asio::awaitable<void> SmtpClient::Authenticate() {
  const std::optional<std::string> mechanism = options_.sasl->Choose(
      engine_.capabilities().auth_mechanisms, stream_.has_tls() ? &stream_.tls_facts() : nullptr);
  if (!mechanism.has_value()) {
    co_await Leave(Cause::kAuthNotOffered,
                   smtp::Reply(smtp::kAuthUnavailable, "No acceptable AUTH mechanism is offered"));
    co_return;
  }
  const absl::StatusOr<std::optional<std::string>> initial = options_.sasl->Begin();
  if (!initial.ok()) {
    co_await Leave(Cause::kAuthFailed, smtp::Reply(smtp::kAuthFailed, initial.status().message()));
    co_return;
  }
  const bool is_delayed = initial->has_value() && (*initial)->size() > kInitialResponseBytesMax;
  std::optional<absl::string_view> response;
  if (initial->has_value() && !is_delayed) response = **initial;
  engine_.Authenticate(*mechanism, response);

  absl::Status failure;
  bool is_initial_due = is_delayed;
  while (true) {
    const smtp::ClientEvent event = co_await NextEvent();
    if (const auto* challenge = std::get_if<AuthChallenge>(&event)) {
      absl::StatusOr<std::string> answer = std::string();
      if (is_initial_due) {
        answer = **initial;
        is_initial_due = false;
      } else {
        answer = options_.sasl->Respond(challenge->challenge);
      }
      if (answer.ok()) {
        engine_.AuthRespond(*answer);
      } else {
        failure = answer.status();
        engine_.AuthCancel();
      }
      continue;
    }
    const auto* done = std::get_if<AuthDone>(&event);
    if (done == nullptr) co_return;  // Closed
    if (!done->reply.is_positive() && failure.ok()) {
      co_await Leave(Cause::kAuthFailed, done->reply);
      co_return;
    }
    if (failure.ok()) failure = options_.sasl->Finish();
    if (!failure.ok()) {
      co_await Leave(Cause::kAuthFailed, smtp::Reply(smtp::kAuthFailed, failure.message()));
    }
    co_return;
  }
}

asio::awaitable<std::optional<smtp::Reply>> SmtpClient::Etrn(std::string argument) {
  if (!can_send()) co_return std::nullopt;
  engine_.Etrn(argument);
  const smtp::ClientEvent event = co_await NextEvent();
  const auto* done = std::get_if<EtrnDone>(&event);
  if (done == nullptr) co_return std::nullopt;
  co_return done->reply;
}

asio::awaitable<std::optional<smtp::Reply>> SmtpClient::Atrn(
    std::vector<smtp::DomainName> domains) {
  if (!can_send()) co_return std::nullopt;
  engine_.Atrn(domains);
  const smtp::ClientEvent event = co_await NextEvent();
  const auto* done = std::get_if<AtrnDone>(&event);
  if (done == nullptr) co_return std::nullopt;
  if (done->reply.is_positive()) {
    end_ = SmtpSessionEnd{.cause = Cause::kTurned, .reply = done->reply};
  }
  co_return done->reply;
}

asio::awaitable<void> SmtpClient::Quit() {
  if (end_.has_value()) co_return;
  if (!engine_.can_send()) {
    End(Cause::kDisconnected, smtp::kConnectionLost);
    co_return;
  }
  engine_.Quit();
  while (!end_.has_value()) {
    smtp::ClientEvent event = co_await NextEvent();
    HandleEnd(event);
  }
}

asio::awaitable<void> SmtpClient::Leave(Cause cause, smtp::Reply reply) {
  co_await Quit();
  end_ = SmtpSessionEnd{.cause = cause, .reply = std::move(reply)};
}

// --- Messages ---

asio::awaitable<std::vector<smtp::RecipientOutcome>> SmtpClient::Send(SmtpTransaction transaction) {
  std::vector<smtp::RecipientOutcome> outcomes;
  OnOutcomes on_outcomes = [&outcomes](std::vector<smtp::RecipientOutcome> these) {
    outcomes = std::move(these);
  };
  co_await Begin(std::move(transaction), std::move(on_outcomes));
  co_await Finish();
  co_return outcomes;
}

asio::awaitable<void> SmtpClient::Begin(SmtpTransaction transaction, OnOutcomes on_outcomes) {
  if (!can_send()) {
    std::move(on_outcomes)(
        LostOutcomes(transaction.message.recipients.size(),
                     end_.has_value() ? end_->reply : smtp::Reply(smtp::kConnectionLost)));
    co_return;
  }
  recipient_count_ = transaction.message.recipients.size();
  if (transaction.before_end_of_data) transaction.message.is_end_of_data_held = true;
  Content content{.piece = transaction.content,
                  .is_last_piece = transaction.rest == nullptr,
                  .source = transaction.rest};
  begun_.push_back(std::move(on_outcomes));
  engine_.Send(std::move(transaction.message));
  while (!end_.has_value()) {
    smtp::ClientEvent event = engine_.Next();
    if (HandleEnd(event)) continue;
    if (std::holds_alternative<NeedInput>(event)) {
      if (engine_.can_send()) co_return;
      co_await Exchange();
    } else if (std::holds_alternative<NeedContent>(event)) {
      co_await FeedContent(&content);
    } else if (const auto* held = std::get_if<EndOfDataHeld>(&event)) {
      co_await AwaitEndOfData(&transaction, held->message);
    }
  }
}

asio::awaitable<void> SmtpClient::Flush() {
  if (!engine_.output().empty()) co_await Push();
}

asio::awaitable<void> SmtpClient::Finish() {
  while (!begun_.empty()) {
    smtp::ClientEvent event = co_await NextEvent();
    HandleEnd(event);
  }
  // Nothing may follow what ended a session: Closed stands behind it.
  if (!end_.has_value() && !engine_.can_send()) co_await NextEvent();
}

bool SmtpClient::HandleEnd(smtp::ClientEvent& event) {
  if (auto* done = std::get_if<MessageDone>(&event)) {
    OnOutcomes on_outcomes = std::move(begun_.front());
    begun_.pop_front();
    std::move(on_outcomes)(std::move(done->outcomes));
    return true;
  }
  if (const auto* closed = std::get_if<Closed>(&event)) {
    OnClosed(*closed);
    return true;
  }
  return false;
}

asio::awaitable<void> SmtpClient::FeedContent(Content* content) {
  if (is_broken_) {
    co_await Exchange();
    co_return;
  }
  if (content->piece.empty() && !content->is_last_piece) {
    const absl::StatusOr<ContentPiece> next = co_await content->source->Next();
    if (!next.ok()) {
      engine_.AbortContent(smtp::kTemporaryFailure);
      co_return;
    }
    content->piece = next->bytes;
    content->is_last_piece = next->is_last;
    if (content->piece.empty() && !content->is_last_piece) co_return;
  }
  const absl::string_view part = content->piece.substr(0, kContentPartBytes);
  content->piece.remove_prefix(part.size());
  engine_.SendContent(part, content->is_last_piece && content->piece.empty());
  if (engine_.output().size() >= kOutputBytesMax)
    co_await WriteOutput(options_.timeouts.data_block);
}

asio::awaitable<void> SmtpClient::AwaitEndOfData(SmtpTransaction* transaction, uint64_t message) {
  const absl::Status may_go = co_await transaction->before_end_of_data();
  if (may_go.ok()) {
    engine_.ReleaseEndOfData(message);
  } else {
    engine_.AbortContent(smtp::kTemporaryFailure);
  }
}

// --- Octets ---

asio::awaitable<smtp::ClientEvent> SmtpClient::NextEvent() {
  while (true) {
    smtp::ClientEvent event = engine_.Next();
    if (std::holds_alternative<NeedInput>(event)) {
      co_await Exchange();
      continue;
    }
    if (const auto* closed = std::get_if<Closed>(&event)) OnClosed(*closed);
    co_return event;
  }
}

asio::awaitable<void> SmtpClient::Exchange() {
  // Bytes that come drop by drop do not move the deadline; a whole reply does.
  if (!engine_.output().empty() || engine_.waiting() != waiting_) co_await Push();
  const absl::Time deadline = is_broken_ ? absl::InfinitePast() : reply_deadline_;
  const absl::StatusOr<size_t> count = co_await stream_.Read(absl::MakeSpan(input_), deadline);
  if (count.ok() && *count > 0) {
    engine_.Receive(absl::string_view(input_.data(), *count));
    co_return;
  }
  timed_out_ = timed_out_ || (!is_broken_ && absl::IsDeadlineExceeded(count.status()));
  engine_.OnDisconnected(timed_out_ ? smtp::kTimeout : smtp::kConnectionLost);
}

asio::awaitable<void> SmtpClient::Push() {
  co_await WriteOutput(options_.timeouts.data_block);
  waiting_ = engine_.waiting();
  reply_deadline_ = absl::Now() + ReplyTimeout(waiting_);
}

asio::awaitable<void> SmtpClient::WriteOutput(absl::Duration timeout) {
  absl::Status written;
  if (!is_broken_ && !engine_.output().empty()) {
    written = co_await stream_.Write(engine_.output(), absl::Now() + timeout);
  }
  engine_.ClearOutput();
  if (written.ok()) co_return;
  is_broken_ = true;
  timed_out_ = absl::IsDeadlineExceeded(written);
}

absl::Duration SmtpClient::ReplyTimeout(Waiting waiting) const {
  const SmtpTimeouts& timeouts = options_.timeouts;
  switch (waiting) {
    case Waiting::kGreeting:
      return timeouts.greeting;
    case Waiting::kRecipient:
      return timeouts.command + recipient_count_ * std::min(timeouts.command, kTimeoutPerRecipient);
    case Waiting::kChunk:
      return timeouts.data_block;
    case Waiting::kEndOfData:
      return timeouts.end_of_data;
    case Waiting::kAtrn:
      return timeouts.atrn;
    case Waiting::kQuit:
      return timeouts.quit;
    case Waiting::kNothing:
    case Waiting::kHello:
    case Waiting::kStartTls:
    case Waiting::kAuth:
    case Waiting::kMail:
    case Waiting::kDataStart:
    case Waiting::kReset:
    case Waiting::kEtrn:
      break;
  }
  return timeouts.command;
}

void SmtpClient::End(Cause cause, const smtp::Reply& reply) {
  engine_.OnDisconnected(reply);
  end_ = SmtpSessionEnd{.cause = cause, .reply = reply};
}

void SmtpClient::OnClosed(const Closed& closed) {
  if (end_.has_value()) return;
  end_ = SmtpSessionEnd{.cause = timed_out_ && closed.reason == Closed::Reason::kDisconnected
                                     ? Cause::kTimeout
                                     : CauseOf(closed.reason),
                        .reply = closed.reply};
}

}  // namespace turnpike::net
