// From a route to the addresses to connect to, in order.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_RESOLVER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_RESOLVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "services/common/net/ip.h"
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

inline constexpr size_t kAddressesPerHostMax = 8;

// One address to try.
struct Hop {
  std::string host;  // the name that led there; the address itself if there was none
  net::IpAddress address;
  uint16_t port = 25;
  int preference = 0;
  bool is_lmtp = false;
  // Said by the configuration, or by DNS answers that were validated: that mail goes to this host,
  // and what its addresses are.
  bool is_host_authentic = false;
  bool is_address_authentic = false;

  std::string EndpointText() const;  // `[192.0.2.1]:25`
  std::string ToString() const;      // `mx1.example.org [192.0.2.1]:25`

  friend bool operator==(const Hop&, const Hop&) = default;
};

struct Resolution {
  std::vector<Hop> hops;               // not empty if there is no failure
  std::optional<smtp::Reply> failure;  // temporary: try again; permanent: return the mail

  // No host could be found: what DL-3 has a smart host for. A host that must not be connected to,
  // and a domain that takes no mail, or none from us, are answers.
  bool is_unreachable() const;
};

// Who we are, so that mail is not sent in circles.
struct OwnHosts {
  std::function<bool(const std::string& name)> is_own_name;
  std::function<bool(const net::IpAddress& address, uint16_t port)> is_own_endpoint;
};

// Thread-safe.
class Resolver {
 public:
  struct Options {
    bool allow_forbidden_addresses = false;  // delivery.allow_loopback_hosts
    bool trusts_ad = false;                  // dns.trust_ad
    std::function<size_t(size_t)> random;    // a number below its argument, which is > 0
  };

  // `dns` outlives this.
  Resolver(Dns& dns, OwnHosts own, Options options);

  // `done` is called exactly once, on any thread, perhaps before this returns. MX, then A and AAAA
  // of each host; without MX those of the domain itself [RFC5321 5.1]. Failures as DL-1 and DL-31
  // say; all of them temporary for a target that is not the recipients' domain.
  void Resolve(const RoutePlan& plan, absl::AnyInvocable<void(Resolution)> done);

 private:
  struct Search;

  void AskMx(std::shared_ptr<Search> search);
  void OnMx(const std::shared_ptr<Search>& search, const DnsAnswer& answer);
  void AskAddresses(const std::shared_ptr<Search>& search);
  void AskOne(const std::shared_ptr<Search>& search, size_t host, RecordType type,
              const std::string& name, int aliases);
  void OnAllAddresses(const std::shared_ptr<Search>& search);

  Dns& dns_;
  const OwnHosts own_;
  const Options options_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_RESOLVER_H_
