// Finds out what the connection to a host must be like: asks DNS for its TLSA records and for the
// domain's MTA-STS policy, then decides.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_ADVISOR_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_ADVISOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/resolve/dns.h"
#include "services/outbound-delivery/security/sts_policies.h"
#include "services/outbound-delivery/security/tls_demand.h"

namespace turnpike::delivery {

// Thread-safe.
class TlsAdvisor {
 public:
  struct Subject {
    TlsQuestion question;  // `tlsa` and `sts` are found here
    uint16_t port = 25;
    // The host's addresses were validated by DNSSEC: only then its TLSA records are asked for.
    // [RFC7672 2.2.2]
    bool are_addresses_authentic = false;
    // Whose MTA-STS policy holds: the recipients' domain, or that of a smart host that is found by
    // MX; empty: none. [RFC8461 3.4]
    std::string policy_domain;
  };
  using Advice = std::variant<TlsDemand, smtp::Reply>;

  // `dns` outlives this and the callbacks. Without `policies` MTA-STS is off.
  TlsAdvisor(Dns& dns, StsPolicies* policies, bool follows_dane)
      : dns_(dns), policies_(policies), follows_dane_(follows_dane) {}

  // `done` is called exactly once, on any thread, perhaps before this returns.
  void Advise(Subject subject, absl::AnyInvocable<void(Advice)> done);

 private:
  struct Search;

  void FindPolicy(std::shared_ptr<Search> search);

  Dns& dns_;
  StsPolicies* const policies_;
  const bool follows_dane_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_ADVISOR_H_
