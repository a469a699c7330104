// The session: greeting, EHLO, STARTTLS, AUTH, ETRN, ATRN, QUIT. Messages are in
// client_engine_messages.cc.
#include "services/common/smtp/client_engine.h"

#include <utility>

#include "absl/base/macros.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/smtp/client_engine_message.h"
#include "services/common/smtp/command.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {

using client_event::Closed;

ClientEngine::ClientEngine(ClientOptions options)
    : options_(std::move(options)), parser_(options_.reply_limits) {
  expected_.push_back({.what = Waiting::kGreeting});
}

ClientEngine::~ClientEngine() = default;

void ClientEngine::Receive(absl::string_view bytes) {
  const bool is_listening =
      phase_ == Phase::kOpening || phase_ == Phase::kReady || phase_ == Phase::kQuitting;
  if (is_listening) input_.append(bytes.data(), bytes.size());
}

ClientEvent ClientEngine::Next() {
  while (true) {
    if (!events_.empty()) {
      ClientEvent event = std::move(events_.front());
      events_.pop_front();
      return event;
    }
    if (phase_ == Phase::kEnded) return closed_;
    if (HandleInput()) continue;
    Pump();
    if (!events_.empty()) continue;
    if (IsContentWanted()) return client_event::NeedContent{sending()->id};
    return client_event::NeedInput{};
  }
}

bool ClientEngine::HandleInput() {
  absl::string_view rest = absl::string_view(input_).substr(input_used_);
  if (rest.empty()) return false;
  const ReplyParser::Result result = parser_.Parse(&rest);
  input_used_ = input_.size() - rest.size();
  if (rest.empty()) {
    input_.clear();
    input_used_ = 0;
  }
  switch (result) {
    case ReplyParser::Result::kNeedMore:
      return false;
    case ReplyParser::Result::kReply:
      HandleReply(parser_.TakeReply());
      return true;
    case ReplyParser::Result::kProtocolError:
      ProtocolError(parser_.error());
      return true;
  }
  return false;
}

void ClientEngine::HandleReply(const Reply& reply) {
  const bool is_closing = reply.code() == kShuttingDown.code;  // [RFC5321 3.8]
  if (expected_.empty()) {
    if (is_closing) return EndSession(Closed::Reason::kServiceClosing, reply, true);
    return ProtocolError("reply without a command");
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  if (expected.message != nullptr) {
    HandleMessageReply(expected, reply);
  } else if (!is_closing) {
    switch (expected.what) {
      case Waiting::kGreeting:
        HandleGreeting(reply);
        break;
      case Waiting::kHello:
        HandleHello(reply);
        break;
      case Waiting::kStartTls:
        HandleStartTls(reply);
        break;
      case Waiting::kAuth:
        HandleAuth(reply);
        break;
      case Waiting::kEtrn:
        events_.push_back(client_event::EtrnDone{reply});
        break;
      case Waiting::kAtrn:
        HandleAtrn(reply);
        break;
      case Waiting::kQuit:
        EndSession(Closed::Reason::kQuit, reply, true);
        break;
      case Waiting::kReset:
        if (!reply.is_positive()) ProtocolError("RSET was refused");
        break;
      case Waiting::kNothing:
      case Waiting::kMail:
      case Waiting::kRecipient:
      case Waiting::kDataStart:
      case Waiting::kChunk:
      case Waiting::kEndOfData:
        break;
    }
  }
  if (is_closing && phase_ != Phase::kEnded) {
    EndSession(Closed::Reason::kServiceClosing, reply, true);
  }
}

void ClientEngine::HandleGreeting(const Reply& reply) {
  greeting_ = reply;
  if (reply.is_transient() || reply.is_permanent()) {
    return EndSession(Closed::Reason::kRefused, reply, true);
  }
  if (reply.code() != kGreeting.code) return ProtocolError("greeting is not 220");
  SayHello();
}

void ClientEngine::SayHello() {
  const absl::string_view verb = options_.is_lmtp ? "LHLO" : is_hello_fallback_ ? "HELO" : "EHLO";
  SendCommand(absl::StrCat(verb, " ", options_.host_name), {.what = Waiting::kHello});
}

void ClientEngine::HandleHello(const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("EHLO was answered 3xx");
  if (reply.is_permanent() && !is_hello_fallback_ && !options_.is_lmtp) {
    is_hello_fallback_ = true;  // [RFC5321 3.2]
    return SayHello();
  }
  if (!reply.is_positive()) return EndSession(Closed::Reason::kRefused, reply, true);
  is_extended_ = !is_hello_fallback_;
  capabilities_ = is_extended_ ? Capabilities::FromEhloReply(reply) : Capabilities();
  capabilities_.pipelining = capabilities_.pipelining && options_.use_pipelining;
  capabilities_.chunking = capabilities_.chunking && options_.use_chunking;
  capabilities_.binary_mime = capabilities_.binary_mime && capabilities_.chunking;
  capabilities_.start_tls = capabilities_.start_tls && !options_.is_reversed;
  phase_ = Phase::kReady;
  events_.push_back(client_event::Ready{});
}

void ClientEngine::StartTls() {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kReady && expected_.empty() && capabilities_.start_tls);
  SendCommand("STARTTLS", {.what = Waiting::kStartTls});
}

void ClientEngine::HandleStartTls(const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("STARTTLS was answered 3xx");
  if (!reply.is_positive()) {
    events_.push_back(client_event::StartTlsRefused{reply});
    return;
  }
  // [RFC3207 4.2] what came in clear behind the reply would be taken for a reply under TLS.
  if (!input_.empty()) return ProtocolError("data behind the reply to STARTTLS");
  phase_ = Phase::kTlsHandshake;
  events_.push_back(client_event::StartTls{});
}

void ClientEngine::OnTlsStarted() {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kTlsHandshake);
  phase_ = Phase::kOpening;
  is_hello_fallback_ = false;
  is_extended_ = false;
  capabilities_ = Capabilities();
  SayHello();
}

void ClientEngine::Authenticate(absl::string_view mechanism,
                                std::optional<absl::string_view> initial_response) {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kReady && expected_.empty());
  std::string line = absl::StrCat("AUTH ", mechanism);
  if (initial_response) {
    // [RFC4954 4] an empty response is written `=`.
    absl::StrAppend(&line, " ",
                    initial_response->empty() ? "=" : absl::Base64Escape(*initial_response));
  }
  SendCommand(line, {.what = Waiting::kAuth});
}

void ClientEngine::HandleAuth(const Reply& reply) {
  if (!reply.is_intermediate()) {
    events_.push_back(client_event::AuthDone{reply});
    return;
  }
  if (reply.code() != kChallenge.code) return ProtocolError("AUTH was answered 3xx but not 334");
  std::optional<std::string> challenge = DecodeBase64(reply.text());
  if (!challenge) return AuthCancel();
  events_.push_back(client_event::AuthChallenge{*std::move(challenge)});
}

void ClientEngine::AuthRespond(absl::string_view response) {
  SendCommand(absl::Base64Escape(response), {.what = Waiting::kAuth});
}

void ClientEngine::AuthCancel() { SendCommand("*", {.what = Waiting::kAuth}); }

void ClientEngine::Etrn(absl::string_view argument) {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kReady && expected_.empty());
  SendCommand(absl::StrCat("ETRN ", argument), {.what = Waiting::kEtrn});
}

void ClientEngine::Atrn(const std::vector<DomainName>& domains) {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kReady && expected_.empty());
  const auto append_name = [](std::string* out, const DomainName& name) { *out += name.ascii(); };
  SendCommand(
      absl::StrCat("ATRN", domains.empty() ? "" : " ", absl::StrJoin(domains, ",", append_name)),
      {.what = Waiting::kAtrn});
}

void ClientEngine::HandleAtrn(const Reply& reply) {
  if (reply.is_intermediate()) return ProtocolError("ATRN was answered 3xx");
  if (reply.is_positive()) {
    // The peer is the client now, and waits for our greeting.
    if (!input_.empty()) return ProtocolError("data behind the reply to ATRN");
    phase_ = Phase::kTurned;
  }
  events_.push_back(client_event::AtrnDone{reply});
}

void ClientEngine::Quit() {
  ABSL_HARDENING_ASSERT(phase_ == Phase::kReady && sending() == nullptr);
  phase_ = Phase::kQuitting;
  SendCommand("QUIT", {.what = Waiting::kQuit});
}

void ClientEngine::OnDisconnected(const Reply& why) {
  if (phase_ == Phase::kEnded) return;
  const bool is_expected = phase_ == Phase::kQuitting && messages_.empty();
  EndSession(is_expected ? Closed::Reason::kQuit : Closed::Reason::kDisconnected, why, false);
}

void ClientEngine::SendCommand(absl::string_view line, Expected expected) {
  absl::StrAppend(&output_, line, "\r\n");
  if (expected.message != nullptr) ++expected.message->replies_due;
  expected_.push_back(expected);
}

void ClientEngine::ProtocolError(absl::string_view why) {
  EndSession(Closed::Reason::kProtocolError, Reply(kPeerProtocolError, why), false);
}

ClientEngine::Waiting ClientEngine::waiting() const {
  return expected_.empty() ? Waiting::kNothing : expected_.front().what;
}

std::string ClientEngine::TakeOutput() { return std::exchange(output_, std::string()); }

}  // namespace turnpike::smtp
