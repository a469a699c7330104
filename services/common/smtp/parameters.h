// The parameters of MAIL and RCPT: read by the server side, printed by the client side.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_PARAMETERS_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_PARAMETERS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

enum class BodyType { k7Bit, k8BitMime, kBinaryMime };  // [RFC6152] [RFC3030 3]
enum class DsnReturn { kFull, kHeaders };               // [RFC3461 4.3]

struct MailParameters {
  // Declared size in octets. A value past 2^64 - 1 reads as that. [RFC1870]
  std::optional<uint64_t> size_bytes;
  std::optional<BodyType> body;
  bool smtp_utf8 = false;
  bool require_tls = false;
  std::optional<DsnReturn> ret;
  std::optional<std::string> envelope_id;  // ENVID decoded: printable ASCII, 1..100 octets
  // AUTH= decoded: `<>` or a mailbox. What it is worth is the caller's decision. [RFC4954 5]
  std::optional<std::string> auth;

  friend bool operator==(const MailParameters&, const MailParameters&) = default;
};

// NOTIFY: `never`, or a choice of the three. [RFC3461 4.1]
struct DsnNotify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;

  friend bool operator==(const DsnNotify&, const DsnNotify&) = default;
};

// ORCPT. [RFC3461 4.2] [RFC6533 3]
struct OriginalRecipient {
  std::string address_type;  // `rfc822`, `utf-8`, …; case as it came, since it goes on unchanged
                             // [RFC3461 5.2.1]
  std::string address;       // decoded; ASCII, or UTF-8 for `utf-8`. No control characters.

  bool is_utf8() const;
  // `rfc822;ann@example.org`, decoded, as a spool keeps it. Reads back by Parse.
  std::string ToString() const;
  static std::optional<OriginalRecipient> Parse(absl::string_view text);

  friend bool operator==(const OriginalRecipient&, const OriginalRecipient&) = default;
};

struct RcptParameters {
  std::optional<DsnNotify> notify;
  std::optional<OriginalRecipient> original_recipient;

  friend bool operator==(const RcptParameters&, const RcptParameters&) = default;
};

// Read what follows the path of MAIL or RCPT: empty, or parameters each after a space. A parameter
// of an extension that is not `offered` is unknown: 555. A parameter given twice, without the value
// it needs, or with a bad one: 501. [RFC5321 4.1.1.11]
ReplyOr<MailParameters> ParseMailParameters(absl::string_view text, const Capabilities& offered);
ReplyOr<RcptParameters> ParseRcptParameters(absl::string_view text, const Capabilities& offered,
                                            bool allow_utf8);

// Append ` KEY=VALUE` for each parameter that the peer offers. Whether a message may be sent
// without one that the peer does not offer is decided before. (client_engine.h)
void AppendMailParameters(const MailParameters& parameters, const Capabilities& peer,
                          std::string* line);
void AppendRcptParameters(const RcptParameters& parameters, const Capabilities& peer,
                          std::string* line);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_PARAMETERS_H_
