// The parts of outbound-delivery put together by the configuration: everything but the spool, which
// is given, and gRPC.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/io_threads.h"
#include "services/common/routing/domain_classes.h"
#include "services/outbound-delivery/core/logins.h"
#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/resolve/ares_dns.h"
#include "services/outbound-delivery/resolve/caching_dns.h"
#include "services/outbound-delivery/resolve/metered_dns.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/security/sts_fetcher.h"
#include "services/outbound-delivery/security/sts_policies.h"
#include "services/outbound-delivery/security/tls_advisor.h"
#include "services/outbound-delivery/security/tls_clients.h"
#include "services/outbound-delivery/transport/connector.h"
#include "services/outbound-delivery/transport/pop_checks.h"
#include "services/outbound-delivery/transport/suspended_gateways.h"
#include "services/outbound-delivery/transport/worker.h"
#include "services/spool-store/client/shared_state.h"
#include "services/spool-store/client/slots.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::delivery {

// Thread-safe after Create, but for Drain and destruction.
class Engine {
 public:
  // The store's three sides.
  struct Store {
    std::unique_ptr<spool::Spool> spool;
    std::unique_ptr<spool::Slots> slots;
    std::unique_ptr<spool::SharedState> shared_state;
  };

  // `config` is complete and checked; it is copied from. `registry` outlives the engine.
  // INVALID_ARGUMENT when dns.servers has something that is no address; errors of Logins and of
  // delivery.authorities_file.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const config::v1::Config& config,
                                                        Store store,
                                                        prometheus::Registry& registry);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  // Cuts what Drain, if it was called, has left.
  ~Engine();

  // Begins to lease and to send.
  void Start() { worker_->Start(); }
  void Drain(absl::Time deadline);  // as Worker's; a second call does nothing

  const Worker& worker() const { return *worker_; }
  const RouteTable& routes() const { return routes_; }
  Resolver& resolver() { return *resolver_; }

 private:
  Engine(const config::v1::Config& config, Logins logins, Store store,
         prometheus::Registry& registry);
  absl::Status CreateSecurity(const config::v1::Config& config, const base::Clock& clock);

  // Each part outlives those below it; the destructor ends what has callbacks first.
  Metrics metrics_;
  const Logins logins_;
  const RouteTable routes_;
  const routing::DomainClasses classes_;
  std::unique_ptr<net::IoThreads> threads_;
  std::unique_ptr<AresDns> ares_dns_;
  std::unique_ptr<MeteredDns> metered_dns_;
  std::unique_ptr<CachingDns> caching_dns_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<PopChecks> pop_checks_;
  std::unique_ptr<TlsClients> tls_clients_;
  std::unique_ptr<StsFetcher> sts_fetcher_;  // null, as the policies: MTA-STS is off
  std::unique_ptr<StsPolicies> sts_policies_;
  std::unique_ptr<TlsAdvisor> tls_advisor_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<SuspendedGateways> suspended_;  // null: there are no gateways
  Store store_;
  std::unique_ptr<Worker> worker_;
  bool is_drained_ = false;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_
