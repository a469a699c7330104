// xtext: how ENVID, ORCPT and AUTH parameters carry octets that a parameter cannot. [RFC3461 4]
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_XTEXT_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_XTEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

// Decodes `+HH` (upper-case hex) and plain characters 0x21..0x7e but `+` and `=`. Returns nothing
// when `text` is not xtext, and also when it decodes to anything outside 0x20..0x7e: control
// characters would split a line in whatever the value is copied to.
std::optional<std::string> DecodeXtext(absl::string_view text);

// Encodes any octets, so that DecodeXtext gives them back if they are printable ASCII.
std::string EncodeXtext(absl::string_view text);

// The same for `utf-8` addresses of ORCPT, where `\x{HEX}` names a code point and UTF-8 may stand
// for itself when `allow_utf8`. Returns nothing for malformed text and for control characters.
// [RFC6533 3]
std::optional<std::string> DecodeUtf8AddressXtext(absl::string_view text, bool allow_utf8);

// Always ASCII. `text` is valid UTF-8.
std::string EncodeUtf8AddressXtext(absl::string_view text);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_XTEXT_H_
