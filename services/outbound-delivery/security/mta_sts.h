// MTA-STS: what a domain says of its mail hosts' TLS. [RFC8461] Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_MTA_STS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_MTA_STS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::delivery {

inline constexpr size_t kStsPolicyBytesMax = 64 * 1024;                  // [RFC8461 3.3]
inline constexpr absl::Duration kStsAgeMax = absl::Seconds(31'557'600);  // [RFC8461 3.2]

struct StsPolicy {
  enum class Mode { kNone, kTesting, kEnforce };
  Mode mode = Mode::kNone;
  absl::Duration age_max;
  std::vector<std::string> mx;  // lower case; `mail.example.com`, `*.example.net`

  // Whether mail may go to this MX host: `*` stands for exactly one label. [RFC8461 4.1]
  bool AllowsHost(absl::string_view host) const;

  friend bool operator==(const StsPolicy&, const StsPolicy&) = default;
};

// The id of the policy that the TXT records of `_mta-sts.<domain>` announce. Nothing when none of
// them is one of MTA-STS, more than one is, or the one is malformed. [RFC8461 3.1]
std::optional<std::string> ReadStsRecord(const std::vector<std::string>& texts);

// The policy that a web server gave. INVALID_ARGUMENT says what is wrong with it. [RFC8461 3.2]
absl::StatusOr<StsPolicy> ReadStsPolicy(absl::string_view text);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_MTA_STS_H_
