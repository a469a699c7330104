// What all calls of gateway-dequeue share.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_PARTS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_PARTS_H_

#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"
#include "services/gateway-dequeue/core/settings.h"
#include "services/gateway-dequeue/rpc/metrics.h"
#include "services/gateway-dequeue/rpc/overrides_reader.h"
#include "services/gateway-dequeue/rpc/release_joiner.h"
#include "services/gateway-dequeue/rpc/unknown_outcomes.h"
#include "services/spool-store/client/shared_state.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::dequeue {

// Outlives the service and its calls.
struct Parts {
  const base::Current<Settings>& settings;
  spool::Spool& spool;
  spool::SharedState& state;
  OverridesReader& overrides;
  ReleaseJoiner& joiner;
  UnknownOutcomes& unknown_outcomes;
  Metrics& metrics;
  const base::Clock& clock;
  absl::Duration lock_time_to_live = absl::Seconds(30);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_PARTS_H_
