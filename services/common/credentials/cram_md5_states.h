// HMAC-MD5 from its two inner states, so that CRAM-MD5 needs no clear-text password. [RFC2195 2]
#ifndef TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRAM_MD5_STATES_H_
#define TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRAM_MD5_STATES_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::auth {

// MD5 after the key block, for the outer and the inner hash: all that a server must keep. As good
// as the password for CRAM-MD5, but for nothing else.
struct CramMd5States {
  std::string outer;  // 16 octets
  std::string inner;  // 16 octets
};

CramMd5States MakeCramMd5States(absl::string_view password);

// Dovecot's form of `{CRAM-MD5}`: 64 hexadecimal digits, the outer state first. Nothing for any
// other text.
std::optional<CramMd5States> ParseCramMd5States(absl::string_view hex);

// HMAC-MD5 of `text`, as 32 lower-case hexadecimal digits.
std::string CramMd5Digest(const CramMd5States& states, absl::string_view text);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRAM_MD5_STATES_H_
