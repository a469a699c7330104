// The `Received:` field that we put before each message that we take. [RFC5321 4.4]
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_RECEIVED_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_RECEIVED_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::smtp {

// What the `with` clause says. [RFC3848] [RFC6531 4.3]
struct TransmissionType {
  bool is_extended = false;  // EHLO rather than HELO
  bool is_tls = false;
  bool is_authenticated = false;
  bool is_smtp_utf8 = false;  // MAIL had SMTPUTF8
};

// `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPA`, `ESMTPSA`, `UTF8SMTP`, `UTF8SMTPS`, `UTF8SMTPA`,
// `UTF8SMTPSA`.
absl::string_view TransmissionTypeName(const TransmissionType& type);

struct ReceivedField {
  absl::string_view helo;            // what the client said; made harmless here
  absl::string_view client_name;     // from reverse DNS; may be empty
  absl::string_view client_address;  // IP, IPv4 or IPv6, without brackets
  absl::string_view server_name;     // ours
  TransmissionType type;
  absl::string_view tls;  // `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty without TLS
  absl::string_view id;   // under which we keep the message
  // The recipient, if there is exactly one: more must not be told of each other [RFC5321 7.2].
  absl::string_view for_recipient;  // canonical, without brackets; may be empty
  absl::Time time;
};

// Folded, ends in CRLF. Holds no octets outside 0x20..0x7e besides its line ends, and UTF-8 only if
// `type.is_smtp_utf8`.
std::string FormatReceived(const ReceivedField& field);

// `Sun, 22 Nov 2026 10:42:00 +0000`, in UTC. [RFC5322 3.3]
std::string FormatDate(absl::Time time);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_RECEIVED_H_
