// Reads a DNS response: octets of a stranger in, records out. Pure. [RFC1035 4]
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_MESSAGE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_MESSAGE_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

inline constexpr size_t kAliasesMax = 8;    // CNAMEs in a row
inline constexpr size_t kRecordsMax = 200;  // further ones of an answer are not looked at

// The answer to `question` in `message`. Follows CNAMEs within it; records of other names do not
// count. Its time to live is the smallest of the records used; of a negative answer the one that
// the SOA gives [RFC2308 5], or a minute. kServFail for anything malformed and for any other
// response code than no error and name error.
DnsAnswer ReadDnsMessage(absl::string_view message, const DnsQuestion& question);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_MESSAGE_H_
