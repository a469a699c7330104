// The lines that Dovecot's auth process speaks with its clients: fields between tabs.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_PROTOCOL_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_PROTOCOL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::auth {

// A field whose octets mean nothing to the protocol: tab, line ends, NUL and \1 are replaced.
std::string EscapeDovecotField(absl::string_view text);
std::string UnescapeDovecotField(absl::string_view text);

// Lines to send, without the LF. `address` is any text.
std::string DovecotUserQuestion(uint32_t id, absl::string_view address);
std::string DovecotPlainQuestion(uint32_t id, absl::string_view address,
                                 absl::string_view password);

// An answer line.
struct DovecotAnswer {
  enum class Kind {
    kOther,     // another question's, a greeting, or what we do not know
    kYes,       // `USER`, `OK`
    kNo,        // `NOTFOUND`, `FAIL`
    kTryLater,  // `FAIL` that says so, and every `FAIL` of a user question
  };
  Kind kind = Kind::kOther;
  std::string user;  // as Dovecot spells it; empty if it does not say
};
DovecotAnswer ParseDovecotUserAnswer(absl::string_view line, uint32_t id);
DovecotAnswer ParseDovecotPlainAnswer(absl::string_view line, uint32_t id);

// `VERSION 1 x`: the only major version there is. True for every line but a VERSION of another.
bool IsKnownDovecotVersion(absl::string_view line);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_PROTOCOL_H_
