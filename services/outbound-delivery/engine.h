// The parts of outbound-delivery put together by the configuration: everything but the spool, which
// is given, and gRPC.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/io_threads.h"
#include "services/outbound-delivery/host_access.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/transport/suspended_gateways.h"
#include "services/outbound-delivery/transport/worker.h"
#include "services/spool-store/client/shared_state.h"
#include "services/spool-store/client/slots.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::delivery {

// Thread-safe after Create, but for Reconfigure, Drain and destruction, which are for one thread.
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
  // Works by another configuration (PL-31), as Worker::Reconfigure; what was learnt about hosts is
  // kept where it still holds. Does nothing when none of it, nor delivery.authorities_file, says
  // anything else. Errors as Create's: everything is as before.
  absl::Status Reconfigure(const config::v1::Config& config);
  void Drain(absl::Time deadline);  // as Worker's; a second call does nothing

  const Worker& worker() const { return *worker_; }

 private:
  Engine(const config::v1::Config& config, Store store, prometheus::Registry& registry);
  absl::StatusOr<std::shared_ptr<const Worker::Settings>> MakeSettings(
      const config::v1::Config& config, uint64_t revision);

  // Each part outlives those below it; the destructor ends what has callbacks first.
  Metrics metrics_;
  std::unique_ptr<net::IoThreads> threads_;
  // The last is the one in use. Those before it are still needed by connections, or are let go at
  // the next change: none may be destroyed on an I/O thread.
  std::vector<std::shared_ptr<HostAccess>> accesses_;
  Store store_;
  SuspendedGateways suspended_;
  std::string fingerprint_;  // of the configuration as it was taken last; has secrets
  std::unique_ptr<Worker> worker_;
  bool is_drained_ = false;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_ENGINE_H_
