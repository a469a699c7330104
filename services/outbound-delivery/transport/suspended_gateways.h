// Which gateways an operator has suspended, as the services share it (DQ-61): nothing that was
// released for them is sent.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SUSPENDED_GATEWAYS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SUSPENDED_GATEWAYS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::delivery {

// Reads the entries `gateway/<domain>/suspended`. Thread-safe.
class SuspendedGateways {
 public:
  // The whole list, on any thread.
  using OnList = std::function<void(const std::vector<spool::v1::QueueName>&)>;

  // `state` and `clock` outlive this, and this its callbacks: they come until `state` is gone.
  SuspendedGateways(spool::SharedState& state, const base::Clock& clock)
      : state_(state), clock_(clock) {}

  // Reads the list once; while that is under way, further calls do nothing. An error keeps what was
  // known.
  void Refresh(OnList on_list);

 private:
  struct Listing;
  void ReadPage(const std::shared_ptr<Listing>& listing);
  void End();

  spool::SharedState& state_;
  const base::Clock& clock_;
  absl::Mutex mu_;
  bool is_reading_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SUSPENDED_GATEWAYS_H_
