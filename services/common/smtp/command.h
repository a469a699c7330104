// One command line as a typed value. A line here is without its CRLF and holds no CR, LF or NUL
// (line_buffer.h sees to it). Whether a command may come now is server_engine.h's business.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_COMMAND_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/smtp/parameters.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

enum class Verb {
  kHelo,
  kEhlo,
  kLhlo,  // [RFC2033]; known so that it can be refused by name
  kMail,
  kRcpt,
  kData,
  kBdat,
  kRset,
  kNoop,
  kQuit,
  kVrfy,
  kExpn,
  kHelp,
  kStartTls,
  kAuth,
  kEtrn,
  kAtrn,
  kUnknown,
};

absl::string_view VerbName(Verb verb);  // `MAIL`; `unknown` for kUnknown. For logs and metrics.

struct CommandLine {
  Verb verb = Verb::kUnknown;
  absl::string_view argument;  // after the verb and one space; trailing blanks removed
};

// Splits a line at its verb, which is case-insensitive. [RFC5321 2.4, 4.1.1]
CommandLine ParseCommandLine(absl::string_view line);

struct MailCommand {
  Path path;
  MailParameters parameters;
};

struct RcptCommand {
  Path path;  // never null
  RcptParameters parameters;
};

struct BdatCommand {
  uint64_t size_bytes = 0;
  bool is_last = false;
};

struct AuthCommand {
  std::string mechanism;                        // upper case
  std::optional<std::string> initial_response;  // decoded; `=` is an empty one [RFC4954 4]
};

// ETRN's argument. [RFC1985 5, 5.3]
struct EtrnCommand {
  enum class Kind {
    kDomain,      // `example.org`
    kSubdomains,  // `@example.org`: it and all below it
    kQueue,       // `#example.org`: one queue by its name
  };
  Kind kind = Kind::kDomain;
  DomainName name;  // has a dot
};

// ATRN's argument: no domains means all that the login has. [RFC2645 5.2.1]
struct AtrnCommand {
  std::vector<DomainName> domains;  // each has a dot
};

// The argument of HELO and EHLO: 1..255 printable octets without a space. Real clients send all
// kinds of names, so it is not checked further [RFC5321 4.1.4].
ReplyOr<std::string> ParseHello(absl::string_view argument);

// The arguments of MAIL and RCPT. Blanks between the colon and the path are let pass, as everybody
// does. Parameters are known by `offered`.
ReplyOr<MailCommand> ParseMail(absl::string_view argument, const Capabilities& offered,
                               const AddressLimits& limits);
ReplyOr<RcptCommand> ParseRcpt(absl::string_view argument, const Capabilities& offered,
                               const AddressLimits& limits, bool allow_utf8);

// Only digits; a count past 2^63 - 1 is an error too. After any error the place of the next command
// in the stream is unknown. [RFC3030 2]
ReplyOr<BdatCommand> ParseBdat(absl::string_view argument);

ReplyOr<AuthCommand> ParseAuth(absl::string_view argument);

// 500 without an argument, 501 for an option character that is not `@` or `#`, and for a name that
// is not a full domain name. Names in UTF-8 are read as their A-labels.
ReplyOr<EtrnCommand> ParseEtrn(absl::string_view argument);

// Domains separated by commas without blanks: 501 otherwise.
ReplyOr<AtrnCommand> ParseAtrn(absl::string_view argument);

// Strict base64: nothing for blanks, missing padding or octets outside the alphabet. [RFC4648 4]
std::optional<std::string> DecodeBase64(absl::string_view text);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_COMMAND_H_
