// What an EHLO reply offers: composed by the server side, understood by the client side.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_CAPABILITIES_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_CAPABILITIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/reply.h"

namespace turnpike::smtp {

// Thread safety: thread-compatible value type. The default offers nothing, as after HELO.
struct Capabilities {
  bool pipelining = false;             // [RFC2920]
  bool eight_bit_mime = false;         // [RFC6152]
  bool smtp_utf8 = false;              // [RFC6531]
  bool enhanced_status_codes = false;  // [RFC2034]
  bool dsn = false;                    // [RFC3461]
  bool chunking = false;               // [RFC3030]
  bool binary_mime = false;            // [RFC3030]; means nothing without chunking
  bool start_tls = false;              // [RFC3207]
  bool require_tls = false;            // [RFC8689]
  bool etrn = false;                   // [RFC1985]
  bool atrn = false;                   // [RFC2645]
  bool vrfy = false;
  bool help = false;
  bool size = false;                         // [RFC1870]
  uint64_t size_bytes_max = 0;               // 0: no fixed limit. Only with `size`.
  std::vector<std::string> auth_mechanisms;  // upper case; AUTH is offered if not empty [RFC4954]

  // LIMITS [RFC9422]; 0: not said
  uint32_t limit_recipients = 0;         // RCPTMAX, per transaction
  uint32_t limit_transactions = 0;       // MAILMAX, per connection
  uint32_t limit_recipient_domains = 0;  // RCPTDOMAINMAX, per transaction

  // Reads the lines of a 250 reply to EHLO or LHLO. The first line is the greeting; unknown
  // keywords, malformed values and everything after the first 100 lines count as not offered.
  // `AUTH=LOGIN` of old servers is read as `AUTH LOGIN`.
  static Capabilities FromEhloReply(const Reply& reply);

  bool offers_auth(absl::string_view mechanism) const;  // case-insensitive

  // The keyword lines of an EHLO reply, each after a LF, in a fixed order.
  void AppendKeywordLines(std::string* text) const;

  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_CAPABILITIES_H_
