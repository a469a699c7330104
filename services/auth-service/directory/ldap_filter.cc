#include "services/auth-service/directory/ldap_filter.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace turnpike::auth {

std::string EscapeFilterValue(absl::string_view value) {
  std::string escaped;
  for (const char c : value) {
    const auto octet = static_cast<uint8_t>(c);
    // More than the standard asks for: control characters and what is no ASCII, too.
    if (octet < 0x20 || octet > 0x7e || c == '*' || c == '(' || c == ')' || c == '\\') {
      absl::StrAppend(&escaped, "\\", absl::Hex(octet, absl::kZeroPad2));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string MakeFilter(absl::string_view pattern, absl::string_view address) {
  return absl::StrReplaceAll(pattern, {{"%s", EscapeFilterValue(address)}});
}

}  // namespace turnpike::auth
