// What DNS says a server's certificate must be. [RFC6698 2.1]
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLSA_RECORD_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLSA_RECORD_H_

#include <cstdint>
#include <string>

namespace turnpike::net {

struct TlsaRecord {
  uint8_t usage = 0;     // 2: DANE-TA, 3: DANE-EE; 0 and 1 mean nothing in SMTP [RFC7672 3.1.3]
  uint8_t selector = 0;  // 0: the whole certificate, 1: its public key
  uint8_t matching_type = 0;  // 0: as it is, 1: SHA-256, 2: SHA-512
  std::string data;

  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLSA_RECORD_H_
