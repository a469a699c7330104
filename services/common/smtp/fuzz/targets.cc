#include "services/common/smtp/fuzz/targets.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "services/common/smtp/client_dialogue_testing.h"
#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/command.h"
#include "services/common/smtp/data_decoder.h"
#include "services/common/smtp/data_encoder.h"
#include "services/common/smtp/server_dialogue_testing.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp::fuzz {
namespace {

void Promise(bool is_kept, const char* promise) {
  if (is_kept) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

Capabilities Everything() {
  Capabilities offer = OptionsForTest().offered;
  offer.auth_mechanisms = {"PLAIN"};
  return offer;
}

void CheckPath(const Path& path) {
  const std::string printed = path.ToString();
  Promise(IsPrintableUtf8(printed), "a printed path is printable");
  const AddressOptions options = {.allow_utf8 = true,
                                  .limits = {.local_part_bytes_max = 1000, .path_bytes_max = 3000}};
  const absl::StatusOr<Path> again = Path::Parse(printed, options);
  Promise(again.ok() && *again == path, "a printed path reads back");
}

// Replies are lines of printable ASCII that end in CRLF.
void CheckReplies(absl::string_view replies) {
  Promise(replies.empty() || absl::EndsWith(replies, "\r\n"), "replies end in CRLF");
  for (size_t i = 0; i < replies.size(); ++i) {
    const char c = replies[i];
    const bool is_line_end =
        (c == '\r' && replies[i + 1] == '\n') || (c == '\n' && i > 0 && replies[i - 1] == '\r');
    Promise((c >= ' ' && c <= '~') || is_line_end, "replies are printable");
  }
}

bool HasBareLineEnd(absl::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\r' && (i + 1 == bytes.size() || bytes[i + 1] != '\n')) return true;
    if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) return true;
  }
  return false;
}

struct ServerOutcome {
  std::string replies;
  std::vector<std::string> events;
  std::vector<std::string> messages;

  friend bool operator==(const ServerOutcome&, const ServerOutcome&) = default;
};

ServerOutcome Serve(absl::string_view input, size_t step) {
  ServerOptions options = OptionsForTest();
  options.offered.start_tls = false;  // its handshake is the caller's
  ServerDialogue dialogue(std::move(options));
  ServerOutcome outcome;
  outcome.replies = dialogue.Say("EHLO a\r\n") + dialogue.Say(input, step);
  outcome.events = dialogue.TakeEvents();
  outcome.messages = dialogue.messages();
  return outcome;
}

struct DecodedContent {
  std::string content;
  std::string rest;
  LineDiscipline::Violation violation;
  bool is_end = false;
};

DecodedContent Decode(absl::string_view input, size_t step) {
  DataDecoder decoder({.line_bytes_max = 60});
  DecodedContent decoded;
  while (!input.empty() && !decoded.is_end) {
    absl::string_view piece = input.substr(0, step);
    const size_t piece_bytes = piece.size();
    decoded.is_end = decoder.Decode(&piece, &decoded.content);
    input.remove_prefix(piece_bytes - piece.size());
  }
  decoded.rest = std::string(input);
  decoded.violation = decoder.violation();
  return decoded;
}

}  // namespace

void FuzzGrammar(absl::string_view input) {
  const CommandLine line = ParseCommandLine(input);
  const AddressLimits limits;
  if (const auto mail = ParseMail(line.argument, Everything(), limits); mail.ok()) {
    CheckPath(mail->path);
    std::string printed;
    AppendMailParameters(mail->parameters, Everything(), &printed);
    const auto again = ParseMailParameters(printed, Everything());
    Promise(again.ok() && *again == mail->parameters, "printed MAIL parameters read back");
  }
  if (const auto rcpt = ParseRcpt(line.argument, Everything(), limits, true); rcpt.ok()) {
    CheckPath(rcpt->path);
    std::string printed;
    AppendRcptParameters(rcpt->parameters, Everything(), &printed);
    const auto again = ParseRcptParameters(printed, Everything(), false);
    Promise(IsAscii(printed), "printed RCPT parameters are ASCII");
    Promise(again.ok() && *again == rcpt->parameters, "printed RCPT parameters read back");
  }
  if (const auto etrn = ParseEtrn(line.argument); etrn.ok()) {
    const auto again = DomainName::Parse(etrn->name.ascii(), {.allow_u_labels = false});
    Promise(again.ok() && *again == etrn->name, "a domain name reads back");
  }
  if (const auto atrn = ParseAtrn(line.argument); atrn.ok()) {
    for (const DomainName& name : atrn->domains) Promise(name.has_dot(), "ATRN names have a dot");
  }
  if (const auto hello = ParseHello(line.argument); hello.ok()) {
    Promise(IsPrintableUtf8(*hello), "a HELO name is printable");
  }
  ParseBdat(line.argument);
  ParseAuth(line.argument);
}

void FuzzContent(absl::string_view input) {
  const DecodedContent whole = Decode(input, std::string::npos);
  for (size_t step : {1, 2, 3, 17}) {
    const DecodedContent cut = Decode(input, step);
    Promise(cut.rest == whole.rest && cut.is_end == whole.is_end, "cuts do not move the end");
    Promise(cut.violation == whole.violation, "cuts do not hide a violation");
    if (whole.violation != LineDiscipline::Violation::kNone) continue;
    Promise(cut.content == whole.content, "cuts do not change content");
  }
  if (!whole.is_end || whole.violation != LineDiscipline::Violation::kNone) return;
  DataEncoder encoder;
  std::string wire;
  Promise(encoder.Encode(whole.content, &wire) && encoder.Finish(&wire), "clean content is sent");
  Promise(!HasBareLineEnd(wire), "no CR or LF goes out alone");
  const DecodedContent again = Decode(wire, 5);
  Promise(again.is_end && again.rest.empty(), "content does not end early");
  Promise(again.content == whole.content, "content arrives unchanged");
}

void FuzzServer(absl::string_view input) {
  const ServerOutcome whole = Serve(input, std::string::npos);
  CheckReplies(whole.replies);
  for (size_t step : {1, 7}) Promise(Serve(input, step) == whole, "cuts change nothing");
}

void FuzzClient(absl::string_view input) {
  ClientEngine engine({.host_name = "us.example"});
  size_t outcome_count = 0;
  size_t recipient_count = 0;
  bool is_quitting = false;
  std::string output;
  while (true) {
    ClientEvent event = engine.Next();
    if (std::holds_alternative<client_event::Closed>(event)) break;
    if (std::holds_alternative<client_event::NeedContent>(event)) {
      engine.SendContent("Subject: x\r\n\r\n.dot\r\n", true);
    } else if (auto* done = std::get_if<client_event::MessageDone>(&event)) {
      outcome_count += done->outcomes.size();
      for (const RecipientOutcome& outcome : done->outcomes) {
        const bool is_delivered = outcome.disposition == Disposition::kDelivered;
        Promise(!is_delivered || (outcome.reply.is_positive() && outcome.is_from_peer &&
                                  outcome.stage == Stage::kEndOfData),
                "nothing is delivered without a 2xx at the end");
        Promise(IsPrintableUtf8(outcome.reply.ToString()), "the peer's words are harmless");
      }
    } else if (std::holds_alternative<client_event::NeedInput>(event)) {
      output += engine.TakeOutput();
      if (engine.can_send() && recipient_count < 6) {
        recipient_count += 2;
        engine.Send(MessageForTest({"bob@b.example", "cat@b.example"}));
      } else if (engine.can_send() && !is_quitting) {
        is_quitting = true;
        engine.Quit();
      } else if (input.empty()) {
        engine.OnDisconnected(Reply(421, {4, 4, 2}, "lost"));
      } else {
        const absl::string_view piece = input.substr(0, 1 + input.size() % 50);
        engine.Receive(piece);
        input.remove_prefix(piece.size());
      }
    }
  }
  Promise(outcome_count == recipient_count, "every recipient has one outcome");
  output += engine.TakeOutput();
  Promise(!HasBareLineEnd(output), "no CR or LF goes out alone");
}

}  // namespace turnpike::smtp::fuzz
