// The From: field of a message, read so that nobody reads another address out of it. (AU-6)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FROM_HEADER_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FROM_HEADER_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

inline constexpr size_t kHeaderBytesMax = 64 << 10;  // session.proto, Header
inline constexpr size_t kFromAddressesMax = 100;     // more is unreadable

struct FromHeader {
  enum class Problem {
    kNone,
    kMissing,     // no From: field, or one that names nobody
    kRepeated,    // more than one: programs show different ones
    kUnreadable,  // not an address list [RFC5322 3.4], or one that programs read differently
  };
  Problem problem = Problem::kNone;
  std::vector<smtp::Mailbox> addresses;  // all of them, those of groups too; not empty with kNone
};

// `header` is the header section, with or without the empty line at its end. Lines may end in CRLF
// or LF. The value is parsed by GMime, strictly, and then checked against a count of our own: every
// `@` outside of quotes and comments must be that of one of the addresses found. So a display name
// that is an address must be quoted, as [RFC5322 3.2.5] wants it.
FromHeader ReadFromHeader(absl::string_view header);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FROM_HEADER_H_
