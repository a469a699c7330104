#include "services/common/smtp/client_dialogue_testing.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace turnpike::smtp {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

absl::string_view Name(Disposition disposition) {
  switch (disposition) {
    case Disposition::kDelivered:
      return "delivered";
    case Disposition::kTransientFailure:
      return "transient";
    case Disposition::kPermanentFailure:
      return "permanent";
    case Disposition::kUnknown:
      return "unknown";
  }
  return "";
}

absl::string_view Name(Stage stage) {
  switch (stage) {
    case Stage::kLocal:
      return "local";
    case Stage::kMail:
      return "mail";
    case Stage::kRecipient:
      return "rcpt";
    case Stage::kData:
      return "data";
    case Stage::kEndOfData:
      return "end";
    case Stage::kConnection:
      return "connection";
  }
  return "";
}

absl::string_view Name(client_event::Closed::Reason reason) {
  using Reason = client_event::Closed::Reason;
  switch (reason) {
    case Reason::kQuit:
      return "quit";
    case Reason::kRefused:
      return "refused";
    case Reason::kServiceClosing:
      return "closing";
    case Reason::kProtocolError:
      return "protocol error";
    case Reason::kDisconnected:
      return "disconnected";
    case Reason::kAborted:
      return "aborted";
    case Reason::kUnsendableContent:
      return "unsendable";
  }
  return "";
}

}  // namespace

OutgoingMessage MessageForTest(const std::vector<std::string>& recipients) {
  OutgoingMessage message;
  message.return_path = *Path::Parse("ann@a.example", AddressOptions());
  for (const std::string& recipient : recipients) {
    message.recipients.push_back({*Path::Parse(recipient, AddressOptions()), {}});
  }
  return message;
}

std::string Describe(const RecipientOutcome& outcome) {
  return absl::StrCat(Name(outcome.disposition), " ", Name(outcome.stage), " ",
                      outcome.reply.ToString(), outcome.is_from_peer ? "" : " (ours)");
}

ClientDialogue::ClientDialogue(ClientOptions options) : engine_(std::move(options)) {}

std::string ClientDialogue::Hear(absl::string_view input, size_t step) {
  bool is_first = true;
  while (is_first || !input.empty()) {
    is_first = false;
    engine_.Receive(input.substr(0, step));
    input.remove_prefix(input.substr(0, step).size());
    while (Handle(engine_.Next())) continue;
  }
  return engine_.TakeOutput();
}

void ClientDialogue::Open(absl::string_view keywords) {
  std::string reply = "mx.example";
  for (absl::string_view keyword : absl::StrSplit(keywords, '|', absl::SkipEmpty())) {
    absl::StrAppend(&reply, "\r\n250-", keyword);
  }
  Hear(absl::StrCat("220 mx.example\r\n250-", reply, "\r\n250 X\r\n"));
  TakeEvents();
}

std::string ClientDialogue::Send(OutgoingMessage message) {
  engine_.Send(std::move(message));
  return Go();
}

std::vector<std::string> ClientDialogue::TakeEvents() { return std::exchange(events_, {}); }

bool ClientDialogue::Handle(ClientEvent event) {
  const auto log = [&](std::string words) {
    events_.push_back(std::move(words));
    return true;
  };
  return std::visit(
      Overloaded{
          [&](client_event::NeedInput&) { return false; },
          [&](client_event::Ready&) { return log("ready"); },
          [&](client_event::StartTls&) {
            log("starttls");
            return false;
          },
          [&](client_event::StartTlsRefused& refused) {
            return log(absl::StrCat("starttls refused ", refused.reply.ToString()));
          },
          [&](client_event::AuthChallenge& challenge) {
            log(absl::StrCat("challenge ", challenge.challenge));
            return false;
          },
          [&](client_event::AuthDone& done) {
            return log(absl::StrCat("auth ", done.reply.ToString()));
          },
          [&](client_event::NeedContent&) {
            const std::string piece = content_.substr(sent_bytes_, piece_bytes_);
            sent_bytes_ += piece.size();
            const bool is_last = sent_bytes_ == content_.size();
            if (is_last) sent_bytes_ = 0;
            engine_.SendContent(piece, is_last);
            return true;
          },
          [&](client_event::EndOfDataHeld& held) {
            return log(absl::StrCat("held ", held.message));
          },
          [&](client_event::MessageDone& done) {
            for (const RecipientOutcome& outcome : done.outcomes) {
              log(absl::StrCat(done.message, " ", Describe(outcome)));
            }
            return true;
          },
          [&](client_event::EtrnDone& done) {
            return log(absl::StrCat("etrn ", done.reply.ToString()));
          },
          [&](client_event::AtrnDone& done) {
            return log(absl::StrCat("atrn ", done.reply.ToString()));
          },
          [&](client_event::Closed& closed) {
            if (!is_closed_) {
              log(absl::StrCat("closed: ", Name(closed.reason), " ", closed.reply.ToString()));
            }
            is_closed_ = true;
            return false;
          },
      },
      event);
}

}  // namespace turnpike::smtp
