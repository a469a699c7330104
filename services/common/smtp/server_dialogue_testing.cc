#include "services/common/smtp/server_dialogue_testing.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

ServerOptions OptionsForTest() {
  ServerOptions options;
  options.host_name = "mx.example.org";
  Capabilities& offered = options.offered;
  offered.pipelining = offered.eight_bit_mime = offered.smtp_utf8 = true;
  offered.enhanced_status_codes = offered.dsn = offered.chunking = offered.binary_mime = true;
  offered.start_tls = offered.require_tls = offered.etrn = offered.atrn = true;
  offered.size = true;
  offered.size_bytes_max = 10'000;
  options.auth_mechanisms = {"PLAIN", "SCRAM-SHA-256"};
  options.auth_mechanisms_in_clear = {"PLAIN", "CRAM-MD5"};
  options.recipients_max = 3;
  options.content_chunk_bytes = 1000;
  return options;
}

ServerDialogue::ServerDialogue(ServerOptions options, ServerEngine::Start start)
    : engine_(std::make_shared<const ServerOptions>(std::move(options)), start) {}

std::string ServerDialogue::Say(absl::string_view input, size_t step) {
  std::string reused;
  bool is_first = true;
  while (is_first || !input.empty()) {
    is_first = false;
    reused = std::string(input.substr(0, step));
    input.remove_prefix(reused.size());
    engine_.Receive(reused);
    while (Handle(engine_.Next())) continue;
    std::fill(reused.begin(), reused.end(), '#');
  }
  return engine_.TakeOutput();
}

void ServerDialogue::Greet(bool with_auth) {
  Say("EHLO client.example\r\n");
  if (with_auth) Say("AUTH PLAIN AHUAcA==\r\n");
  TakeEvents();
}

void ServerDialogue::AnswerWith(absl::string_view question, Reply reply) {
  answers_[std::string(question)] = std::move(reply);
}

std::vector<std::string> ServerDialogue::TakeEvents() { return std::exchange(events_, {}); }

void ServerDialogue::AnswerOrAccept(absl::string_view question) {
  const auto it = answers_.find(question);
  if (it == answers_.end()) return engine_.Accept();
  engine_.Answer(it->second);
}

bool ServerDialogue::Handle(ServerEvent event) {
  return std::visit(
      Overloaded{
          [&](event::NeedInput&) { return false; },
          [&](event::Connected&) {
            AnswerOrAccept("connect");
            return true;
          },
          [&](event::Hello& hello) {
            Log(absl::StrCat(hello.is_extended ? "ehlo " : "helo ", hello.name));
            AnswerOrAccept("hello");
            return true;
          },
          [&](event::Mail& mail) {
            Log(absl::StrCat("mail ", mail.path.ToString()));
            AnswerOrAccept("mail");
            return true;
          },
          [&](event::Rcpt& rcpt) {
            Log(absl::StrCat("rcpt ", rcpt.path.ToString()));
            AnswerOrAccept("rcpt");
            return true;
          },
          [&](event::ContentStart& start) {
            Log(start.is_chunked ? "chunks" : "data");
            sink_.clear();
            if (const auto it = answers_.find("content"); it != answers_.end()) {
              engine_.Answer(it->second);
            } else {
              engine_.AcceptContent(&sink_);
            }
            return true;
          },
          [&](event::ContentChunk&) {
            if (content_refusal_) engine_.RefuseContent(*content_refusal_);
            return true;
          },
          [&](event::ContentRefused& refused) {
            Log(absl::StrCat("refused ", refused.reply.ToString()));
            return true;
          },
          [&](event::EndOfContent& end) {
            Log(absl::StrCat("message ", end.content_bytes));
            messages_.push_back(sink_);
            AnswerOrAccept("message");
            return true;
          },
          [&](event::TransactionReset&) {
            Log("reset");
            return true;
          },
          [&](event::AuthStart& start) {
            mechanism_ = start.mechanism;
            Log(absl::StrCat("auth ", start.mechanism));
            if (!start.initial_response) {
              engine_.Challenge(mechanism_ == "PLAIN" ? "" : "<1@mx.example.org>");
            } else if (*start.initial_response != absl::string_view("\0u\0p", 4)) {
              engine_.Answer(kAuthFailed);
            } else {
              AnswerOrAccept("auth");
            }
            return true;
          },
          [&](event::AuthResponse& response) {
            Log("auth response");
            const bool is_good =
                mechanism_ != "PLAIN" || response.response == absl::string_view("\0u\0p", 4);
            if (is_good) {
              AnswerOrAccept("auth");
            } else {
              engine_.Answer(kAuthFailed);
            }
            return true;
          },
          [&](event::AuthCancelled&) {
            Log("auth cancelled");
            return true;
          },
          [&](event::UnofferedAuth&) {
            Log("unoffered auth");
            const auto it = answers_.find("auth");
            engine_.Answer(it == answers_.end() ? Reply(kUnknownCommand) : it->second);
            return true;
          },
          [&](event::StartTls&) {
            Log("starttls");
            AnswerOrAccept("starttls");
            return true;
          },
          [&](event::Etrn& etrn) {
            Log(absl::StrCat("etrn ", static_cast<int>(etrn.command.kind), " ",
                             etrn.command.name.ascii()));
            AnswerOrAccept("etrn");
            return true;
          },
          [&](event::Atrn& atrn) {
            Log(absl::StrCat("atrn ", absl::StrJoin(atrn.command.domains, ",",
                                                    [](std::string* out, const DomainName& name) {
                                                      *out += name.ascii();
                                                    })));
            AnswerOrAccept("atrn");
            return true;
          },
          [&](event::Turned&) {
            if (!is_closed_) Log("turned");
            is_closed_ = true;
            return false;
          },
          [&](event::Close& close) {
            if (!is_closed_) Log("close");
            is_closed_ = true;
            close_reason_ = close.reason;
            return false;
          },
      },
      event);
}

}  // namespace turnpike::smtp
