// What each gateway's queue holds, as metrics. (DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/gateway-dequeue/core/gateways.h"
#include "services/gateway-dequeue/rpc/metrics.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::dequeue {

// Asks the spool for every gateway's figures, a few at a time, again and again. While the store is
// away the figures stay as they were.
//
// Thread-safe.
class QueueWatch {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(15);  // between two rounds
    size_t gateways_max = 64;                     // with a label of their own; the rest is `_other`
  };
  // All references must outlive the watch, which has a thread of its own.
  QueueWatch(const GatewayTable& gateways, spool::Spool& spool, Metrics& metrics,
             const Options& options);
  ~QueueWatch();

 private:
  void Run();
  // False if the store did not answer.
  bool Round();

  const GatewayTable& gateways_;
  spool::Spool& spool_;
  Metrics& metrics_;
  const Options options_;
  absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_QUEUE_WATCH_H_
