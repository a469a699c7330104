// DNS questions and answers, as far as mail needs them.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "services/common/net/ip.h"
#include "services/common/net/tlsa_record.h"
#include "services/outbound-delivery/core/mx.h"

namespace turnpike::delivery {

enum class RecordType { kA, kAaaa, kMx, kTxt, kTlsa };
inline constexpr size_t kRecordTypes = 5;

// `A`, `AAAA`, `MX`, `TXT`, `TLSA`
const char* RecordTypeName(RecordType type);

struct DnsQuestion {
  std::string name;  // absolute, without the final dot; lower case
  RecordType type = RecordType::kA;

  friend bool operator==(const DnsQuestion&, const DnsQuestion&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const DnsQuestion& question) {
    return H::combine(std::move(h), question.name, question.type);
  }
};

struct DnsAnswer {
  enum class Result {
    kOk,        // at least one record
    kNoData,    // the name exists, and has none of this type
    kNxDomain,  // the name does not exist
    kServFail,  // no server could say; try again
    kTimeout,   // no server answered; try again
  };
  Result result = Result::kServFail;
  std::vector<MxRecord> mx;               // kMx
  std::vector<net::IpAddress> addresses;  // kA, kAaaa
  std::vector<std::string> texts;         // kTxt, each record's strings joined
  std::vector<net::TlsaRecord> tlsa;      // kTlsa
  // The server has validated the answer (AD), or that there is none. Says something only where the
  // way to the server is safe (dns.trust_ad). [RFC4035 3.2.3]
  bool is_authentic = false;
  absl::Duration time_to_live;  // of failures: zero
  std::string alias;  // kNoData: the name is an alias of this one, of which nothing was said

  bool is_failure() const { return result == Result::kServFail || result == Result::kTimeout; }
  friend bool operator==(const DnsAnswer&, const DnsAnswer&) = default;
};

// Something that answers questions. Implementations: AresDns (servers), CachingDns (remembers),
// MeteredDns (counts).
//
// Thread-safe.
class Dns {
 public:
  using Callback = absl::AnyInvocable<void(std::shared_ptr<const DnsAnswer>)>;

  virtual ~Dns() = default;
  // `done` is called exactly once, on any thread, perhaps before this returns; after a bounded
  // time, or when this is destroyed. It must not block.
  virtual void Ask(const DnsQuestion& question, Callback done) = 0;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_DNS_H_
