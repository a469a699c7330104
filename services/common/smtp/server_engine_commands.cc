// What each verb does: its place in the order of commands, and its refusals.
#include <utility>

#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/server_engine.h"

namespace turnpike::smtp {

ServerEngine::MaybeEvent ServerEngine::HandleCommand(absl::string_view line) {
  const CommandLine command = ParseCommandLine(line);
  if (line.size() + 2 > LineBytesMax(command.verb)) return Error(kLineTooLong);
  const absl::string_view argument = command.argument;
  if (const ReplyCode* refusal = FindRefusal(command.verb)) {
    // Who does not know BDAT knows nothing of its chunk.
    const bool has_chunk = command.verb == Verb::kBdat && refusal != &kNotImplemented;
    return has_chunk ? RefuseBdat(argument, *refusal) : Error(*refusal);
  }
  switch (command.verb) {
    case Verb::kHelo:
      return HandleHello(argument, /*is_extended=*/false);
    case Verb::kEhlo:
      return HandleHello(argument, /*is_extended=*/true);
    case Verb::kMail:
      return HandleMail(argument);
    case Verb::kRcpt:
      return HandleRcpt(argument);
    case Verb::kData:
      return HandleData(argument);
    case Verb::kBdat:
      return HandleBdat(argument);
    case Verb::kRset:
      return HandleRset(argument);
    case Verb::kNoop:
      return Idle(kOk);
    case Verb::kQuit:
      return HandleQuit(argument);
    case Verb::kVrfy:
      return HandleVrfy(argument);
    case Verb::kHelp:
      return Idle(kHelpText);
    case Verb::kStartTls:
      return HandleStartTls(argument);
    case Verb::kAuth:
      return HandleAuth(argument);
    case Verb::kEtrn:
      return HandleEtrn(argument);
    case Verb::kAtrn:
      return HandleAtrn(argument);
    case Verb::kExpn:
      return Error(kNotImplemented);
    case Verb::kLhlo:
    case Verb::kUnknown:
      return Error(kUnknownCommand);
  }
  return std::nullopt;
}

const ReplyCode* ServerEngine::FindRefusal(Verb verb) const {
  if (phase_ == Phase::kRefused && verb != Verb::kQuit) return &kBadSequence;
  if (verb == Verb::kUnknown || verb == Verb::kLhlo) return &kUnknownCommand;
  // [RFC3207 4] what a listener that insists on TLS answers before it.
  const bool is_allowed_before_tls =
      verb == Verb::kNoop || verb == Verb::kEhlo || verb == Verb::kStartTls || verb == Verb::kQuit;
  if (options_->is_tls_required && !is_tls_ && !is_allowed_before_tls) return &kStartTlsRequired;
  const bool is_implemented = (verb != Verb::kBdat || offered_.chunking) &&
                              (verb != Verb::kStartTls || options_->offered.start_tls) &&
                              (verb != Verb::kEtrn || offered_.etrn) &&
                              (verb != Verb::kAtrn || offered_.atrn) &&
                              (options_->role != ServerRole::kOdmr || IsOdmrVerb(verb));
  return is_implemented ? nullptr : &kNotImplemented;
}

// [RFC2645 5.1, 5.2] few commands before AUTH, and no mail from the client at any time.
bool ServerEngine::IsOdmrVerb(Verb verb) const {
  const bool is_always = verb == Verb::kEhlo || verb == Verb::kAuth || verb == Verb::kStartTls ||
                         verb == Verb::kQuit || verb == Verb::kAtrn;
  const bool is_after_auth =
      verb == Verb::kRset || verb == Verb::kNoop || verb == Verb::kHelp || verb == Verb::kEtrn;
  return is_always || (is_authenticated_ && is_after_auth);
}

// [RFC5321 4.5.3.1.4] and what the extensions add to it.
size_t ServerEngine::LineBytesMax(Verb verb) const {
  if (verb == Verb::kAuth) return options_->auth_bytes_max;
  const bool has_parameters = verb == Verb::kMail || verb == Verb::kRcpt || verb == Verb::kAtrn;
  return has_parameters ? options_->parameter_command_bytes_max : options_->command_bytes_max;
}

void ServerEngine::ResetOffer() {
  offered_ = options_->offered;
  offered_.start_tls = offered_.start_tls && !is_tls_;
  offered_.require_tls = offered_.require_tls && is_tls_;  // [RFC8689 2]
  offered_.binary_mime = offered_.binary_mime && offered_.chunking;
  offered_.auth_mechanisms =
      is_tls_ ? options_->auth_mechanisms : options_->auth_mechanisms_in_clear;
}

// After HELO there are no extensions, so no parameters. [RFC5321 3.2, 4.1.1.2]
const Capabilities& ServerEngine::ParameterOffer() const {
  static const Capabilities& none = *new Capabilities();
  return is_extended_ ? offered_ : none;
}

ServerEngine::MaybeEvent ServerEngine::HandleHello(absl::string_view argument, bool is_extended) {
  ReplyOr<std::string> name = ParseHello(argument);
  if (!name.ok()) return Error(name.reply().view());
  if (!CountIdle()) return std::nullopt;
  pending_hello_name_ = *name;
  pending_is_extended_ = is_extended;
  ResetOffer();
  event::Hello hello{*std::move(name), is_extended};
  // [RFC5321 4.1.4] EHLO in a transaction is RSET too.
  if (transaction_) {
    EndTransaction();
    deferred_hello_ = std::move(hello);
    return event::TransactionReset{};
  }
  return Ask(Question::kHello, std::move(hello));
}

void ServerEngine::SayHello() {
  std::string text = options_->host_name;
  if (is_extended_) offered_.AppendKeywordLines(&text);
  Say({kHello.code, kHello.enhanced, text});
}

ServerEngine::MaybeEvent ServerEngine::HandleMail(absl::string_view argument) {
  if (hello_name_.empty() || transaction_) return Error(kBadSequence);
  if (options_->role == ServerRole::kSubmission && !is_authenticated_) return Error(kAuthRequired);
  ReplyOr<MailCommand> command = ParseMail(argument, ParameterOffer(), options_->address_limits);
  if (!command.ok()) return Error(command.reply().view());
  MailCommand mail = *std::move(command);
  const uint64_t size_bytes_max = options_->offered.size_bytes_max;
  if (size_bytes_max > 0 && mail.parameters.size_bytes.value_or(0) > size_bytes_max) {
    Say(kMessageTooBig);  // [RFC1870 6.1]
    CountRefusal(kMessageTooBig);
    return std::nullopt;
  }
  pending_transaction_ = Transaction{
      .is_smtp_utf8 = mail.parameters.smtp_utf8,
      .is_binary = mail.parameters.body == BodyType::kBinaryMime,
  };
  return Ask(Question::kMail, event::Mail{std::move(mail.path), std::move(mail.parameters)});
}

ServerEngine::MaybeEvent ServerEngine::HandleRcpt(absl::string_view argument) {
  if (!transaction_ || transaction_->chunk_count > 0) return Error(kBadSequence);
  if (transaction_->recipient_count >= options_->recipients_max) {
    Say(kTooManyRecipients);  // no error of the client's: it sends the rest in the next transaction
    return std::nullopt;
  }
  ReplyOr<RcptCommand> command =
      ParseRcpt(argument, ParameterOffer(), options_->address_limits, transaction_->is_smtp_utf8);
  if (!command.ok()) return Error(command.reply().view());
  RcptCommand rcpt = *std::move(command);
  return Ask(Question::kRcpt, event::Rcpt{std::move(rcpt.path), std::move(rcpt.parameters)});
}

ServerEngine::MaybeEvent ServerEngine::HandleData(absl::string_view argument) {
  if (!argument.empty()) return Error(kSyntaxError);
  if (!transaction_ || transaction_->chunk_count > 0) return Error(kBadSequence);
  if (transaction_->is_binary) return Error(kBadSequence);  // [RFC3030 3]
  if (transaction_->recipient_count == 0) {
    Say(kNoValidRecipients);  // what a pipelining client gets whose recipients were all refused
    return std::nullopt;
  }
  return Ask(Question::kContentStart, event::ContentStart{.is_chunked = false});
}

ServerEngine::MaybeEvent ServerEngine::HandleBdat(absl::string_view argument) {
  const ReplyOr<BdatCommand> command = ParseBdat(argument);
  if (!command.ok()) {
    // Where the chunk ends, and the next command begins, cannot be known.
    Say(command.reply().view());
    Finish(event::Close::Reason::kBadChunkSize);
    return std::nullopt;
  }
  chunk_ = *command;
  if (!transaction_ || transaction_->recipient_count == 0) {
    return RefuseBdat(argument, transaction_ ? kNoValidRecipients : kBadSequence);
  }
  if (++transaction_->chunk_count > options_->chunks_max) {
    Say(kTooManyCommands);
    Finish(event::Close::Reason::kTooManyChunks);
    return std::nullopt;
  }
  if (!content_) return Ask(Question::kContentStart, event::ContentStart{.is_chunked = true});
  content_->StartChunk(chunk_.size_bytes);
  phase_ = Phase::kContent;
  return std::nullopt;
}

// Its chunk comes all the same, and must not be read as commands.
ServerEngine::MaybeEvent ServerEngine::RefuseBdat(absl::string_view argument,
                                                  const ReplyCode& refusal) {
  const ReplyOr<BdatCommand> command = ParseBdat(argument);
  if (!command.ok()) return Error(refusal);
  chunk_ = *command;
  is_orphan_chunk_ = true;
  phase_after_chunk_ = phase_;
  SwallowChunk(refusal);
  return std::nullopt;
}

ServerEngine::MaybeEvent ServerEngine::HandleRset(absl::string_view argument) {
  if (!argument.empty()) return Error(kSyntaxError);
  const bool was_in_transaction = transaction_.has_value();
  EndTransaction();
  Idle(kOk);
  if (!was_in_transaction) return std::nullopt;
  return event::TransactionReset{};
}

ServerEngine::MaybeEvent ServerEngine::HandleVrfy(absl::string_view argument) {
  if (argument.empty()) return Error(kSyntaxError);
  return Idle(kCannotVerify);  // [RFC5321 3.5.3] the same for every address
}

ServerEngine::MaybeEvent ServerEngine::HandleQuit(absl::string_view argument) {
  if (!argument.empty()) return Error(kSyntaxError);
  Say(kGoodbye);
  Finish(event::Close::Reason::kQuit);
  return std::nullopt;
}

ServerEngine::MaybeEvent ServerEngine::HandleStartTls(absl::string_view argument) {
  if (!argument.empty()) return Error(kSyntaxError);
  if (is_tls_ || is_authenticated_ || transaction_ || hello_name_.empty()) {
    return Error(kBadSequence);
  }
  return Ask(Question::kStartTls, event::StartTls{});
}

ServerEngine::MaybeEvent ServerEngine::HandleAuth(absl::string_view argument) {
  const bool is_offered_by_tls = !is_tls_ && !options_->auth_mechanisms.empty();
  if (offered_.auth_mechanisms.empty() && !is_offered_by_tls) {
    switch (options_->unoffered_auth) {
      case UnofferedAuth::kNotImplemented:
        return Error(kNotImplemented);
      case UnofferedAuth::kUnknown:
        return Error(kUnknownCommand);
      case UnofferedAuth::kReport:
        return Ask(Question::kUnofferedAuth, event::UnofferedAuth{});
    }
  }
  // [RFC4954 4] once a session, never in a transaction.
  if (!is_extended_ || is_authenticated_ || transaction_) return Error(kBadSequence);
  ReplyOr<AuthCommand> command = ParseAuth(argument);
  if (!command.ok()) return Error(command.reply().view());
  AuthCommand auth = *std::move(command);
  // [RFC4954 4] also for one that needs TLS first.
  if (!offered_.offers_auth(auth.mechanism)) return Error(kUnknownMechanism);
  return Ask(Question::kAuth,
             event::AuthStart{std::move(auth.mechanism), std::move(auth.initial_response)});
}

ServerEngine::MaybeEvent ServerEngine::HandleAuthLine(absl::string_view line) {
  if (line == "*") return CancelAuth(kAuthCancelled);
  std::optional<std::string> response = DecodeBase64(line);
  if (!response) return CancelAuth(kBadBase64);
  return Ask(Question::kAuth, event::AuthResponse{*std::move(response)});
}

ServerEngine::MaybeEvent ServerEngine::CancelAuth(const ReplyCode& reply) {
  phase_ = Phase::kCommands;
  Error(reply);
  return event::AuthCancelled{};
}

ServerEngine::MaybeEvent ServerEngine::HandleEtrn(absl::string_view argument) {
  if (hello_name_.empty() || transaction_) return Error(kBadSequence);  // [RFC1985 5]
  ReplyOr<EtrnCommand> command = ParseEtrn(argument);
  if (!command.ok()) return Error(command.reply().view());
  if (!CountIdle()) return std::nullopt;
  return Ask(Question::kEtrn, event::Etrn{*std::move(command)});
}

ServerEngine::MaybeEvent ServerEngine::HandleAtrn(absl::string_view argument) {
  if (!is_extended_ || transaction_) return Error(kBadSequence);
  if (!is_authenticated_) return Error(kAuthRequired);  // [RFC2645 5.2.1]
  ReplyOr<AtrnCommand> command = ParseAtrn(argument);
  if (!command.ok()) return Error(command.reply().view());
  return Ask(Question::kAtrn, event::Atrn{*std::move(command)});
}

}  // namespace turnpike::smtp
