// What the connection to one host must be like, by all who have a say: the configuration, the
// domain's DANE records and MTA-STS policy, and the sender (REQUIRETLS). Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_DEMAND_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_DEMAND_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/common/net/tlsa_record.h"
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/resolve/dns.h"
#include "services/outbound-delivery/security/mta_sts.h"

namespace turnpike::delivery {

struct TlsDemand {
  enum class Level {
    kNone,           // clear text
    kOpportunistic,  // TLS where offered, any certificate; clear text where it fails
    kEncrypted,      // TLS, any certificate
    kVerified,       // TLS with a certificate for the host's name from a known authority
    kDane,           // TLS with a certificate that one of `tlsa` describes
  };
  // Whose demand it is; a label of the metrics.
  enum class Source { kConfiguration, kDane, kMtaSts, kRequireTls };

  Level level = Level::kOpportunistic;
  Source source = Source::kConfiguration;
  std::vector<net::TlsaRecord> tlsa;  // kDane: usable ones, at least one
  // The host must offer REQUIRETLS too, and is told. [RFC8689 4.2.1]
  bool needs_require_tls = false;
  // What a policy in testing mode would have demanded; that it is not met is counted. [RFC8461 5]
  enum class Test { kNothing, kVerified, kAnotherHost };
  Test test = Test::kNothing;
};

// `none`, `may`, `encrypt`, `verify`, `dane`, `sts`, `requiretls`
const char* TlsPolicyName(const TlsDemand& demand);

// One host that mail may go to.
struct TlsQuestion {
  RoutePlan::Tls configured = RoutePlan::Tls::kOpportunistic;
  bool message_requires_tls = false;
  std::string host;
  // That mail goes to this host is said by the configuration or by validated DNS answers.
  bool is_host_authentic = false;
  // The answer to `_25._tcp.<host>`; unset when it was not asked: DANE is off, or the host's
  // addresses are not authentic. [RFC7672 2.2.1]
  std::optional<DnsAnswer> tlsa;
  std::optional<StsPolicy> sts;  // of the recipients' domain; unset when it has none
};

// The demand, or why the host cannot be used: temporary, but for REQUIRETLS, which returns mail
// when no host is left.
std::variant<TlsDemand, smtp::Reply> DecideTls(const TlsQuestion& question);

// Whether a record can be used in SMTP. [RFC7672 3.1]
bool IsUsable(const net::TlsaRecord& record);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_DEMAND_H_
