#include "services/outbound-delivery/transport/connection_key.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace turnpike::delivery {
namespace {

constexpr uint8_t kDaneTa = 2;

// A text of any octets, which ends where its length says.
std::string Framed(const std::string& text) { return absl::StrCat(text.size(), ":", text); }

bool IsTrustAnchor(const net::TlsaRecord& record) { return record.usage == kDaneTa; }

}  // namespace

std::string ConnectionKey(const RoutePlan& plan, const Hop& hop, const TlsDemand& demand) {
  const bool is_implicit = plan.tls == RoutePlan::Tls::kImplicit;
  std::string key = absl::StrCat(Framed(hop.ToString()), "|", static_cast<int>(plan.kind), "|",
                                 hop.is_lmtp, "|", is_implicit, "|", static_cast<int>(demand.level),
                                 "|", demand.needs_require_tls, "|", static_cast<int>(demand.test),
                                 "|", Framed(plan.login), Framed(plan.pop_check));
  for (const net::TlsaRecord& record : demand.tlsa) {
    absl::StrAppend(&key, "|", record.usage, ",", record.selector, ",", record.matching_type, ",",
                    Framed(record.data));
  }
  const bool is_for_one_domain =
      std::any_of(demand.tlsa.begin(), demand.tlsa.end(), IsTrustAnchor) &&
      plan.target == RoutePlan::Target::kDomain;
  if (is_for_one_domain) absl::StrAppend(&key, "|domain ", plan.name);
  return key;
}

}  // namespace turnpike::delivery
