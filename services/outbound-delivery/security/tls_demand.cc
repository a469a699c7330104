#include "services/outbound-delivery/security/tls_demand.h"

#include <algorithm>
#include <utility>

#include "services/outbound-delivery/security/tls_failures.h"

namespace turnpike::delivery {
namespace {

using Level = TlsDemand::Level;
using Source = TlsDemand::Source;

Level ConfiguredLevel(config::v1::DeliveryTls tls) {
  switch (tls) {
    case config::v1::DELIVERY_TLS_NONE:
      return Level::kNone;
    case config::v1::DELIVERY_TLS_REQUIRED:
      return Level::kEncrypted;
    case config::v1::DELIVERY_TLS_VERIFIED:
      return Level::kVerified;
    default:
      return Level::kOpportunistic;
  }
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
    } else {
      demand.is_tested = demand.level < Level::kVerified;
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
