// Releases of gateways' queues, so that many requests in a row cost little. (DQ-18)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RELEASE_JOINER_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RELEASE_JOINER_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::dequeue {

// At most one release of a queue to one route is under way. Requests that come meanwhile share the
// next one, not this: it may have been marked before the mail that they ask for was held (DQ-11).
//
// Thread-safe.
class ReleaseJoiner {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<spool::v1::ReleaseQueueResponse>)>;

  // The joiner must outlive all releases; those still under way end when `spool` is destroyed.
  explicit ReleaseJoiner(spool::Spool& spool) : spool_(spool) {}

  // Releases all that the gateway's queue holds now. `done` runs when that is durable, with the
  // store's error otherwise; on a thread of the spool's, or inside the call.
  void Release(const std::string& gateway, const mail::v1::Route& route, absl::Time deadline,
               Callback done);

 private:
  struct Waiting {
    spool::v1::ReleaseQueueRequest request;
    absl::Time deadline;  // the latest of them
    std::vector<Callback> callbacks;
  };

  void Start(const std::string& key, Waiting waiting);
  void Finish(const std::string& key, const absl::Status& status);

  spool::Spool& spool_;
  absl::Mutex mu_;
  // By queue and route: those that wait for the release under way. None: nothing is under way.
  absl::flat_hash_map<std::string, Waiting> under_way_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_RELEASE_JOINER_H_
