// Which server a client means to reach by TLS.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLS_PEER_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLS_PEER_H_

#include <string>
#include <vector>

#include "services/common/net/tlsa_record.h"

namespace turnpike::net {

struct TlsPeer {
  // For SNI, and for the check of the certificate by a verifying context; empty: none.
  std::string server_name;
  // Contexts for DANE only: what the certificate must be; at least one that can be used. A
  // certificate that DANE-EE records describe may be for any name. [RFC7672 3.1.1]
  std::vector<TlsaRecord> tlsa;
  // DANE-TA: the certificate may be for this name too (the recipients' domain). [RFC7672 3.2.2]
  std::string other_name;
  // A session with the same key over the same context is resumed; empty: none is.
  std::string session_key;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLS_PEER_H_
