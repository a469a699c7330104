// How hosts are found and what they are asked of before mail: DNS with its cache, MTA-STS, DANE,
// POP3 logins. Made from a configuration, and replaced as a whole when that says something else.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_HOST_ACCESS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_HOST_ACCESS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/resolve/ares_dns.h"
#include "services/outbound-delivery/resolve/caching_dns.h"
#include "services/outbound-delivery/resolve/metered_dns.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/security/sts_fetcher.h"
#include "services/outbound-delivery/security/sts_policies.h"
#include "services/outbound-delivery/security/tls_advisor.h"
#include "services/outbound-delivery/security/tls_clients.h"
#include "services/outbound-delivery/transport/pop_checks.h"

namespace asio {
class io_context;
}

namespace turnpike::delivery {

// Thread-safe. Not to be destroyed on an I/O thread, nor before what it was asked has been answered
// (Stop).
class HostAccess {
 public:
  // `config` is complete and checked. `metrics`, `context`, which runs, and `clock` outlive it.
  // INVALID_ARGUMENT when dns.servers has something that is no address; errors of
  // delivery.authorities_file.
  static absl::StatusOr<std::shared_ptr<HostAccess>> Create(const config::v1::Config& config,
                                                            Metrics& metrics,
                                                            asio::io_context& context,
                                                            const base::Clock& clock);
  HostAccess(const HostAccess&) = delete;
  HostAccess& operator=(const HostAccess&) = delete;
  ~HostAccess();

  // Whether one for `config` would be just the same, with what it has learnt.
  bool IsFor(const config::v1::Config& config) const;
  // Answers all open questions, with failures. Blocks shortly; last call.
  void Stop();

  Resolver& resolver() { return *resolver_; }
  PopChecks& pop_checks() { return *pop_checks_; }
  TlsAdvisor& tls_advisor() { return *tls_advisor_; }
  const TlsClients& tls_clients() const { return *tls_clients_; }

 private:
  explicit HostAccess(std::string fingerprint) : fingerprint_(std::move(fingerprint)) {}
  absl::Status CreateSecurity(const config::v1::Config& config, Metrics& metrics,
                              const base::Clock& clock);

  const std::string fingerprint_;  // of all that it was made from; has secrets
  // Each part outlives those below it.
  std::unique_ptr<AresDns> ares_dns_;
  std::unique_ptr<MeteredDns> metered_dns_;
  std::unique_ptr<CachingDns> caching_dns_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<PopChecks> pop_checks_;
  std::unique_ptr<TlsClients> tls_clients_;
  std::unique_ptr<StsFetcher> sts_fetcher_;  // null, as the policies: MTA-STS is off
  std::unique_ptr<StsPolicies> sts_policies_;
  std::unique_ptr<TlsAdvisor> tls_advisor_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_HOST_ACCESS_H_
