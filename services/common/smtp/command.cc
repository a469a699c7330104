#include "services/common/smtp/command.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kHelloBytesMax = 255;
constexpr size_t kMechanismBytesMax = 20;  // [RFC4422 3.1]
constexpr size_t kChunkDigitsMax = 19;     // below 2^63 - 1 or checked against it

struct VerbEntry {
  absl::string_view name;
  Verb verb;
};

// In the order of how often they come.
constexpr VerbEntry kVerbs[] = {
    {"RCPT", Verb::kRcpt}, {"MAIL", Verb::kMail}, {"DATA", Verb::kData},
    {"EHLO", Verb::kEhlo}, {"QUIT", Verb::kQuit}, {"BDAT", Verb::kBdat},
    {"RSET", Verb::kRset}, {"AUTH", Verb::kAuth}, {"STARTTLS", Verb::kStartTls},
    {"NOOP", Verb::kNoop}, {"HELO", Verb::kHelo}, {"ETRN", Verb::kEtrn},
    {"ATRN", Verb::kAtrn}, {"VRFY", Verb::kVrfy}, {"EXPN", Verb::kExpn},
    {"HELP", Verb::kHelp}, {"LHLO", Verb::kLhlo},
};

// `FROM:<path>…` or `TO:<path>…`: reads the path and leaves the parameters in `*argument`.
struct PathArgument {
  Path path;
  bool is_ascii = true;  // as written
};

ReplyOr<PathArgument> ConsumePathArgument(absl::string_view keyword, const ReplyCode& bad_path,
                                          const AddressLimits& limits,
                                          absl::string_view* argument) {
  if (!absl::StartsWithIgnoreCase(*argument, keyword)) return kSyntaxError;
  argument->remove_prefix(keyword.size());
  *argument = absl::StripLeadingAsciiWhitespace(*argument);
  const absl::string_view written = *argument;
  absl::StatusOr<Path> path =
      Path::Consume(argument, AddressOptions{.allow_utf8 = true, .limits = limits});
  if (!path.ok()) return bad_path;
  const bool is_ascii = IsAscii(written.substr(0, written.size() - argument->size()));
  return PathArgument{*std::move(path), is_ascii};
}

// A full domain name, such as a gateway has. Nothing otherwise.
std::optional<DomainName> ParseFullDomainName(absl::string_view text) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  if (!name.ok() || !name->has_dot()) return std::nullopt;
  return *std::move(name);
}

}  // namespace

absl::string_view VerbName(Verb verb) {
  for (const VerbEntry& entry : kVerbs) {
    if (entry.verb == verb) return entry.name;
  }
  return "unknown";
}

CommandLine ParseCommandLine(absl::string_view line) {
  const size_t space = line.find(' ');
  const absl::string_view word = line.substr(0, space);
  CommandLine command;
  if (space != absl::string_view::npos) {
    // [RFC5321 4.1.1] trailing white space is let pass.
    command.argument = absl::StripTrailingAsciiWhitespace(line.substr(space + 1));
  }
  for (const VerbEntry& entry : kVerbs) {
    if (absl::EqualsIgnoreCase(word, entry.name)) {
      command.verb = entry.verb;
      break;
    }
  }
  return command;
}

ReplyOr<std::string> ParseHello(absl::string_view argument) {
  if (argument.empty() || argument.size() > kHelloBytesMax) return kSyntaxError;
  if (argument.find(' ') != absl::string_view::npos || !IsPrintableUtf8(argument)) {
    return kSyntaxError;
  }
  return std::string(argument);
}

ReplyOr<MailCommand> ParseMail(absl::string_view argument, const Capabilities& offered,
                               const AddressLimits& limits) {
  ReplyOr<PathArgument> path = ConsumePathArgument("FROM:", kBadSenderSyntax, limits, &argument);
  if (!path.ok()) return path.reply();
  ReplyOr<MailParameters> parameters = ParseMailParameters(argument, offered);
  if (!parameters.ok()) return parameters.reply();
  if (!path->is_ascii && !parameters->smtp_utf8) return kSenderNeedsSmtpUtf8;  // [RFC6531 3.5]
  return MailCommand{(*std::move(path)).path, *std::move(parameters)};
}

ReplyOr<RcptCommand> ParseRcpt(absl::string_view argument, const Capabilities& offered,
                               const AddressLimits& limits, bool allow_utf8) {
  ReplyOr<PathArgument> path = ConsumePathArgument("TO:", kBadRecipientSyntax, limits, &argument);
  if (!path.ok()) return path.reply();
  if (path->path.is_null()) return kBadRecipientSyntax;
  if (!path->is_ascii && !allow_utf8) return kNeedsSmtpUtf8;
  ReplyOr<RcptParameters> parameters = ParseRcptParameters(argument, offered, allow_utf8);
  if (!parameters.ok()) return parameters.reply();
  return RcptCommand{(*std::move(path)).path, *std::move(parameters)};
}

ReplyOr<BdatCommand> ParseBdat(absl::string_view argument) {
  const std::vector<absl::string_view> words = absl::StrSplit(argument, ' ', absl::SkipEmpty());
  if (words.empty() || words.size() > 2 || words[0].size() > kChunkDigitsMax) return kSyntaxError;
  BdatCommand bdat;
  for (char c : words[0]) {
    if (!absl::ascii_isdigit(c)) return kSyntaxError;
    bdat.size_bytes = bdat.size_bytes * 10 + static_cast<uint64_t>(c - '0');
  }
  if (bdat.size_bytes > INT64_MAX) return kSyntaxError;
  if (words.size() == 2) {
    if (!absl::EqualsIgnoreCase(words[1], "LAST")) return kSyntaxError;
    bdat.is_last = true;
  }
  return bdat;
}

ReplyOr<AuthCommand> ParseAuth(absl::string_view argument) {
  const size_t space = argument.find(' ');
  const absl::string_view mechanism = argument.substr(0, space);
  if (mechanism.empty() || mechanism.size() > kMechanismBytesMax) return kSyntaxError;
  AuthCommand auth;
  auth.mechanism = absl::AsciiStrToUpper(mechanism);
  for (char c : auth.mechanism) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_') return kSyntaxError;
  }
  if (space == absl::string_view::npos) return auth;
  const absl::string_view initial = argument.substr(space + 1);
  if (initial.empty()) return kSyntaxError;
  auth.initial_response = initial == "=" ? std::string() : DecodeBase64(initial);
  if (!auth.initial_response) return kBadBase64;
  return auth;
}

ReplyOr<EtrnCommand> ParseEtrn(absl::string_view argument) {
  if (argument.empty()) return kMissingArgument;
  EtrnCommand::Kind kind = EtrnCommand::Kind::kDomain;
  if (absl::ConsumePrefix(&argument, "@")) {
    kind = EtrnCommand::Kind::kSubdomains;
  } else if (absl::ConsumePrefix(&argument, "#")) {
    kind = EtrnCommand::Kind::kQueue;
  }
  // `@com` is well formed: the suffix of everybody's domain. Who may have that is not decided here.
  absl::StatusOr<DomainName> name = DomainName::Parse(argument);
  if (!name.ok() || (kind != EtrnCommand::Kind::kSubdomains && !name->has_dot())) {
    return kSyntaxError;
  }
  return EtrnCommand{kind, *std::move(name)};
}

ReplyOr<AtrnCommand> ParseAtrn(absl::string_view argument) {
  AtrnCommand atrn;
  if (argument.empty()) return atrn;
  for (absl::string_view item : absl::StrSplit(argument, ',')) {
    std::optional<DomainName> name = ParseFullDomainName(item);
    if (!name) return kSyntaxError;
    atrn.domains.push_back(*std::move(name));
  }
  return atrn;
}

std::optional<std::string> DecodeBase64(absl::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t digits = text.size() >= 2 && absl::EndsWith(text, "==") ? text.size() - 2
                        : absl::EndsWith(text, "=")                    ? text.size() - 1
                                                                       : text.size();
  // absl::Base64Unescape also takes blanks and other padding.
  for (char c : text.substr(0, digits)) {
    if (!absl::ascii_isalnum(c) && c != '+' && c != '/') return std::nullopt;
  }
  std::string decoded;
  if (!absl::Base64Unescape(text, &decoded)) return std::nullopt;
  return decoded;
}

}  // namespace turnpike::smtp
