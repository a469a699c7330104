// The engine's machinery: phases, questions and answers, content. What each verb does is in
// server_engine_commands.cc.
#include "services/common/smtp/server_engine.h"

#include <utility>

#include "absl/base/macros.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

// Clients of ETRN and ATRN read one line, and the next would be taken for something else.
ReplyCode FirstLine(ReplyCode reply) {
  reply.text = reply.text.substr(0, reply.text.find('\n'));
  return reply;
}

}  // namespace

ServerEngine::ServerEngine(std::shared_ptr<const ServerOptions> options, Start start)
    : options_(std::move(options)),
      input_(options_->auth_bytes_max),
      is_tls_(start.is_tls),
      is_authenticated_(start.is_authenticated) {
  ResetOffer();
}

ServerEngine::~ServerEngine() = default;

void ServerEngine::Receive(absl::string_view bytes) {
  if (phase_ < Phase::kTlsHandshake) input_.Add(bytes);
}

ServerEvent ServerEngine::Next() {
  ABSL_HARDENING_ASSERT(question_ == Question::kNone);
  while (true) {
    if (MaybeEvent event = Step()) return *std::move(event);
  }
}

ServerEngine::MaybeEvent ServerEngine::Step() {
  if (drain_reply_ && !transaction_ && phase_ < Phase::kTlsHandshake) Terminate(*drain_reply_);
  switch (phase_) {
    case Phase::kNew:
      return Ask(Question::kConnected, event::Connected{});
    case Phase::kRefused:
    case Phase::kCommands:
    case Phase::kAuthExchange:
      return HandleLine();
    case Phase::kContent:
      return HandleContent();
    case Phase::kTlsHandshake:
      input_.Clear();
      return event::NeedInput{};
    case Phase::kTurned:
      return event::Turned{};
    case Phase::kClosed:
      return event::Close{close_reason_};
  }
  return std::nullopt;
}

ServerEngine::MaybeEvent ServerEngine::HandleLine() {
  if (deferred_hello_) {
    question_ = Question::kHello;
    return std::exchange(deferred_hello_, std::nullopt);
  }
  const bool is_auth = phase_ == Phase::kAuthExchange;
  absl::string_view line;
  switch (input_.NextLine(&line)) {
    case LineBuffer::Result::kNeedMore:
      input_.Keep();
      return event::NeedInput{};
    case LineBuffer::Result::kLine:
      return is_auth ? HandleAuthLine(line) : HandleCommand(line);
    case LineBuffer::Result::kTooLong:
      return is_auth ? CancelAuth(kAuthLineTooLong) : Error(kLineTooLong);
    case LineBuffer::Result::kNul:
      return is_auth ? CancelAuth(kMalformedLine) : Error(kMalformedLine);
    case LineBuffer::Result::kBareNewline:
      Say(kBareNewline);
      Finish(event::Close::Reason::kBareNewline);
      return std::nullopt;
  }
  return std::nullopt;
}

// --- Content ---

void ServerEngine::BeginContent(std::string* sink) {
  ContentReceiver::Limits limits = options_->content;
  const uint64_t size_bytes_max = options_->offered.size_bytes_max;
  limits.content_bytes_max = size_bytes_max > 0 ? size_bytes_max : UINT64_MAX;
  const auto mode = transaction_->chunk_count == 0 ? ContentReceiver::Mode::kData
                    : transaction_->is_binary      ? ContentReceiver::Mode::kBinaryChunks
                                                   : ContentReceiver::Mode::kChunks;
  content_.emplace(mode, limits);
  sink_ = sink;
  is_refusal_told_ = false;
  phase_ = Phase::kContent;
  if (mode != ContentReceiver::Mode::kData) content_->StartChunk(chunk_.size_bytes);
}

// A chunk is swallowed whatever there is against it, as its octets come anyway. [RFC3030 2]
void ServerEngine::SwallowChunk(const Reply& refusal) {
  content_.emplace(ContentReceiver::Mode::kBinaryChunks, ContentReceiver::Limits());
  content_->StartChunk(chunk_.size_bytes);
  content_->Refuse(refusal);
  sink_ = &no_sink_;
  is_refusal_told_ = true;
  phase_ = Phase::kContent;
}

ServerEngine::MaybeEvent ServerEngine::HandleContent() {
  const size_t input_bytes = input_.rest()->size();
  if (!is_content_at_end_) {
    is_content_at_end_ = content_->Receive(input_.rest(), sink_);
    const bool is_data = content_->mode() == ContentReceiver::Mode::kData;
    if (is_content_at_end_ && !is_data && chunk_.is_last) content_->FinishChunks();
  }
  if (content_->refusal() && !is_refusal_told_) {
    is_refusal_told_ = true;
    sink_ = &no_sink_;
    return event::ContentRefused{*content_->refusal()};
  }
  if (is_content_at_end_) {
    is_content_at_end_ = false;
    phase_ = std::exchange(phase_after_chunk_, Phase::kCommands);
    const bool is_message_end =
        content_->mode() == ContentReceiver::Mode::kData || (chunk_.is_last && !is_orphan_chunk_);
    return is_message_end ? HandleEndOfMessage() : HandleEndOfChunk();
  }
  // The input is used up.
  if (input_bytes > 0 && sink_->size() >= options_->content_chunk_bytes) {
    return event::ContentChunk{};
  }
  input_.Keep();
  return event::NeedInput{};
}

ServerEngine::MaybeEvent ServerEngine::HandleEndOfMessage() {
  if (!content_->refusal()) {
    return Ask(Question::kEndOfContent,
               event::EndOfContent{content_->content_bytes(), content_->facts()});
  }
  Say(content_->refusal()->view());
  const bool has_bare_newline = content_->has_bare_newline();
  CountRefusal(content_->refusal()->view());
  EndTransaction();
  if (has_bare_newline) Finish(event::Close::Reason::kBareNewline);
  return std::nullopt;
}

ServerEngine::MaybeEvent ServerEngine::HandleEndOfChunk() {
  if (is_orphan_chunk_) {
    const Reply refusal = *content_->refusal();
    is_orphan_chunk_ = false;
    content_.reset();
    return Error(refusal.view());
  }
  Say(content_->refusal() ? content_->refusal()->view() : kChunkOk);
  if (content_->has_bare_newline()) Finish(event::Close::Reason::kBareNewline);
  return std::nullopt;
}

void ServerEngine::RefuseContent(const Reply& reply) {
  ABSL_HARDENING_ASSERT(content_.has_value());
  content_->Refuse(reply);
  is_refusal_told_ = true;
  sink_ = &no_sink_;
}

void ServerEngine::EndTransaction() {
  transaction_.reset();
  content_.reset();
  sink_ = nullptr;
}

// --- Questions and answers ---

ServerEngine::MaybeEvent ServerEngine::Ask(Question question, ServerEvent event) {
  question_ = question;
  return event;
}

void ServerEngine::Resolve(const ReplyCode& reply) {
  ABSL_HARDENING_ASSERT(question_ != Question::kNone);
  const Question question = std::exchange(question_, Question::kNone);
  if (reply.code == kShuttingDown.code) return Terminate(reply);  // [RFC5321 3.8]
  switch (question) {
    case Question::kNone:
      return;
    case Question::kConnected:
      phase_ = reply.is_positive() ? Phase::kCommands : Phase::kRefused;
      return Say(reply);
    case Question::kHello:
      if (!reply.is_positive()) return Say(reply);
      hello_name_ = std::move(pending_hello_name_);
      is_extended_ = pending_is_extended_;
      return SayHello();
    case Question::kMail:
      if (reply.is_positive()) transaction_ = std::move(pending_transaction_);
      pending_transaction_.reset();
      Say(reply);
      return CountRefusal(reply);
    case Question::kRcpt:
      if (reply.is_positive()) ++transaction_->recipient_count;
      Say(reply);
      return CountRefusal(reply);
    case Question::kContentStart:
      return ResolveContentStart(reply);
    case Question::kEndOfContent:
      // Where responsibility for the message moves. (PL-3)
      if (reply.is_positive()) idle_command_count_ = 0;
      Say(reply);
      return EndTransaction();
    case Question::kAuth:
      return ResolveAuth(reply);
    case Question::kUnofferedAuth:
      Error(reply);
      return;
    case Question::kStartTls:
      Say(reply);
      if (reply.is_positive()) {
        input_.Clear();  // [RFC3207 4.2] whatever was sent in clear behind the command
        phase_ = Phase::kTlsHandshake;
      }
      return;
    case Question::kEtrn:
      return Say(FirstLine(reply));
    case Question::kAtrn:
      Say(FirstLine(reply));
      if (reply.is_positive()) {
        input_.Clear();  // nothing that came before our reply can be the peer's greeting
        phase_ = Phase::kTurned;
      }
      return;
  }
}

void ServerEngine::Accept() {
  switch (question_) {
    case Question::kNone:
    case Question::kUnofferedAuth:
    case Question::kContentStart:
      ABSL_HARDENING_ASSERT(false && "this question has no ordinary positive reply");
      return;
    case Question::kConnected:
      return Answer(Reply(kGreeting, absl::StrCat(options_->host_name, " ", kGreeting.text)));
    case Question::kHello:
      return Resolve(kHello);
    case Question::kMail:
      return Resolve(kSenderOk);
    case Question::kRcpt:
      return Resolve(kRecipientOk);
    case Question::kEndOfContent:
      return Resolve(kMessageAccepted);
    case Question::kAuth:
      return Resolve(kAuthenticated);
    case Question::kStartTls:
      return Resolve(kReadyForTls);
    case Question::kEtrn:
      return Resolve(kQueuingStarted);
    case Question::kAtrn:
      return Resolve(kReversing);
  }
}

void ServerEngine::AcceptContent(std::string* sink) {
  ABSL_HARDENING_ASSERT(question_ == Question::kContentStart);
  question_ = Question::kNone;
  BeginContent(sink);
  if (content_->mode() == ContentReceiver::Mode::kData) Say(kStartMailInput);
}

void ServerEngine::ResolveContentStart(const ReplyCode& reply) {
  if (transaction_->chunk_count == 0) return Say(reply);
  SwallowChunk(reply);
}

void ServerEngine::Challenge(absl::string_view challenge) {
  ABSL_HARDENING_ASSERT(question_ == Question::kAuth);
  question_ = Question::kNone;
  phase_ = Phase::kAuthExchange;
  absl::StrAppend(&output_, kChallenge.code, " ", absl::Base64Escape(challenge), "\r\n");
}

void ServerEngine::ResolveAuth(const ReplyCode& reply) {
  phase_ = Phase::kCommands;
  Say(reply);
  if (reply.is_positive()) {
    is_authenticated_ = true;
  } else if (reply.is_permanent() && ++auth_failure_count_ >= options_->auth_failures_max) {
    Say(kTooManyAuthFailures);
    Finish(event::Close::Reason::kTooManyAuthFailures);
  }
}

void ServerEngine::OnTlsStarted(std::shared_ptr<const ServerOptions> options) {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kTlsHandshake);
  if (options != nullptr) options_ = std::move(options);
  // [RFC3207 4.2] the state is as after the greeting; nothing said in clear is kept.
  input_.Clear();
  is_tls_ = true;
  is_authenticated_ = false;
  is_extended_ = false;
  hello_name_.clear();
  ResetOffer();
  phase_ = Phase::kCommands;
}

void ServerEngine::Terminate(const Reply& reply) {
  question_ = Question::kNone;
  if (phase_ == Phase::kTurned || phase_ == Phase::kClosed) return;
  Say(reply.view());
  Finish(event::Close::Reason::kAnswer);
}

void ServerEngine::Drain(const Reply& reply) { drain_reply_ = reply; }

void ServerEngine::Finish(event::Close::Reason reason) {
  EndTransaction();
  deferred_hello_.reset();
  close_reason_ = reason;
  phase_ = Phase::kClosed;
  input_.Clear();
}

// --- Counting ---

ServerEngine::MaybeEvent ServerEngine::Error(const ReplyCode& reply) {
  Say(reply);
  if (++error_count_ > options_->errors_max) {
    Say(kTooManyErrors);
    Finish(event::Close::Reason::kTooManyErrors);
  }
  return std::nullopt;
}

ServerEngine::MaybeEvent ServerEngine::Idle(const ReplyCode& reply) {
  Say(reply);
  CountIdle();
  return std::nullopt;
}

bool ServerEngine::CountIdle() {
  if (++idle_command_count_ <= options_->idle_commands_max) return true;
  Say(kTooManyCommands);
  Finish(event::Close::Reason::kTooManyIdleCommands);
  return false;
}

void ServerEngine::CountRefusal(const ReplyCode& reply) {
  if (!reply.is_permanent() || ++refusal_count_ <= options_->refusals_max) return;
  Say(kTooManyErrors);
  Finish(event::Close::Reason::kTooManyRefusals);
}

// --- Facts ---

std::string ServerEngine::TakeOutput() { return std::exchange(output_, std::string()); }

uint32_t ServerEngine::recipient_count() const {
  return transaction_ ? transaction_->recipient_count : 0;
}

TransmissionType ServerEngine::transmission_type() const {
  return {.is_extended = is_extended_,
          .is_tls = is_tls_,
          .is_authenticated = is_authenticated_,
          .is_smtp_utf8 = transaction_ && transaction_->is_smtp_utf8};
}

}  // namespace turnpike::smtp
