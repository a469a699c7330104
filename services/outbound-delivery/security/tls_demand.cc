#include "services/outbound-delivery/security/tls_demand.h"

#include <algorithm>
#include <utility>

#include "services/outbound-delivery/security/tls_failures.h"

namespace turnpike::delivery {
namespace {

using Level = TlsDemand::Level;
using Source = TlsDemand::Source;

Level ConfiguredLevel(RoutePlan::Tls tls) {
  switch (tls) {
    case RoutePlan::Tls::kNone:
      return Level::kNone;
    case RoutePlan::Tls::kOpportunistic:
      return Level::kOpportunistic;
    case RoutePlan::Tls::kRequired:
      return Level::kEncrypted;
    case RoutePlan::Tls::kVerified:
    case RoutePlan::Tls::kImplicit:
      return Level::kVerified;
  }
  return Level::kOpportunistic;
}

void RaiseTo(Level level, Source source, TlsDemand& demand) {
  if (demand.level >= level) return;
  demand.level = level;
  demand.source = source;
}

// Records that DNSSEC vouches for bind: usable ones say which certificate, others at least that
// there is TLS. [RFC7672 2.2]
void ApplyDane(const DnsAnswer& answer, TlsDemand& demand) {
  if (answer.result != DnsAnswer::Result::kOk || !answer.is_authentic) return;
  std::copy_if(answer.tlsa.begin(), answer.tlsa.end(), std::back_inserter(demand.tlsa), IsUsable);
  RaiseTo(demand.tlsa.empty() ? Level::kEncrypted : Level::kDane, Source::kDane, demand);
}

}  // namespace

const char* TlsPolicyName(const TlsDemand& demand) {
  switch (demand.level) {
    case Level::kNone:
      return "none";
    case Level::kOpportunistic:
      return "may";
    case Level::kEncrypted:
      return "encrypt";
    case Level::kDane:
      return "dane";
    case Level::kVerified:
      break;
  }
  switch (demand.source) {
    case Source::kMtaSts:
      return "sts";
    case Source::kRequireTls:
      return "requiretls";
    default:
      return "verify";
  }
}

bool IsUsable(const net::TlsaRecord& record) {
  constexpr uint8_t kDaneTa = 2;
  constexpr uint8_t kDaneEe = 3;
  constexpr size_t kSha256Bytes = 32;
  constexpr size_t kSha512Bytes = 64;
  if (record.usage != kDaneTa && record.usage != kDaneEe) return false;
  if (record.selector > 1) return false;
  switch (record.matching_type) {
    case 0:
      return !record.data.empty();
    case 1:
      return record.data.size() == kSha256Bytes;
    case 2:
      return record.data.size() == kSha512Bytes;
    default:
      return false;
  }
}

std::variant<TlsDemand, smtp::Reply> DecideTls(const TlsQuestion& question) {
  TlsDemand demand;
  demand.level = ConfiguredLevel(question.configured);
  const bool is_off = demand.level == Level::kNone;

  // That nothing is said cannot be told from an attacker's silence. [RFC7672 2.1.2]
  if (!is_off && question.tlsa && question.tlsa->is_failure()) return smtp::Reply(kTlsaFailure);
  if (!is_off && question.tlsa) ApplyDane(*question.tlsa, demand);

  // DANE goes before MTA-STS. [RFC8461 2]
  const bool is_dane = demand.source == Source::kDane;
  const bool has_policy = question.sts && question.sts->mode != StsPolicy::Mode::kNone;
  const bool is_in_policy = has_policy && question.sts->AllowsHost(question.host);
  if (!is_off && !is_dane && has_policy) {
    if (question.sts->mode == StsPolicy::Mode::kEnforce) {
      if (!is_in_policy) return smtp::Reply(kNotInStsPolicy);
      RaiseTo(Level::kVerified, Source::kMtaSts, demand);
    } else if (demand.level < Level::kVerified) {
      demand.test = is_in_policy ? TlsDemand::Test::kVerified : TlsDemand::Test::kAnotherHost;
    }
  }

  if (question.message_requires_tls) {
    if (is_off || !(question.is_host_authentic || is_in_policy)) {
      return smtp::Reply(kEncryptionNeeded);
    }
    RaiseTo(Level::kVerified, Source::kRequireTls, demand);
    demand.needs_require_tls = true;
  }
  return demand;
}

}  // namespace turnpike::delivery
