// What an SMTP listener offers and the limits that hold on it.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_SERVER_OPTIONS_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_SERVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "services/common/smtp/address.h"
#include "services/common/smtp/capabilities.h"
#include "services/common/smtp/content_receiver.h"

namespace turnpike::smtp {

enum class ServerRole {
  kRelay,       // port 25
  kSubmission,  // 587 and 465: no MAIL before AUTH [RFC6409 4.3]
  kOdmr,        // 366: nothing but AUTH and ATRN, and what they need [RFC2645 5]
};

// How AUTH is answered where no mechanism is offered.
enum class UnofferedAuth {
  kNotImplemented,  // 502
  kUnknown,         // 500 as for a command that does not exist (AU-11)
  kReport,          // the caller decides by event::UnofferedAuth (AU-12)
};

struct ServerOptions {
  std::string host_name;  // ours, for the greeting and the EHLO reply
  ServerRole role = ServerRole::kRelay;

  // What EHLO offers. `start_tls` is shown until TLS is on, `require_tls` from then on, `auth_*` is
  // not used (see below), `binary_mime` needs `chunking`. MAIL and RCPT know the parameters of what
  // is offered and no others. `size_bytes_max` is also the limit of content, 0 meaning none.
  Capabilities offered;

  std::vector<std::string> auth_mechanisms;           // offered under TLS; upper case
  std::vector<std::string> auth_mechanisms_in_clear;  // offered without TLS
  UnofferedAuth unoffered_auth = UnofferedAuth::kNotImplemented;
  bool is_tls_required = false;  // 530 to all but NOOP, EHLO, STARTTLS, QUIT before TLS [RFC3207 4]

  AddressLimits address_limits;
  ContentReceiver::Limits content;  // `content_bytes_max` is taken from offered.size_bytes_max
  size_t content_chunk_bytes = 64 << 10;  // event::ContentChunk when the sink holds that much

  size_t command_bytes_max = 512;             // with CRLF [RFC5321 4.5.3.1.4]
  size_t parameter_command_bytes_max = 2048;  // MAIL, RCPT, ATRN: the extensions' additions in all
  size_t auth_bytes_max = 12288;              // [RFC4954 4]; at least the two above
  uint32_t recipients_max = 1000;             // per transaction; 452 past it [RFC5321 4.5.3.1.10]
  uint32_t chunks_max = 100'000;              // BDAT commands per transaction; 421 past it
  uint32_t errors_max = 20;                   // commands refused for form or order; 421 past it
  uint32_t refusals_max = 100;       // MAIL and RCPT refused by the caller with 5xx; 421 past it
  uint32_t idle_commands_max = 100;  // commands since the last message that bring none; 421
  uint32_t auth_failures_max = 3;    // 421 after the last one's reply
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_SERVER_OPTIONS_H_
