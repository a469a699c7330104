// Asks an smtp-frontend to collect mail (turnpike.frontend.v1.FrontendService.Collect).
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_FRONTEND_CLIENT_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_FRONTEND_CLIENT_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"

namespace grpc {
class Channel;
}

namespace turnpike::dequeue {

// Thread-safe.
class FrontendClient {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<v1::Run>)>;

  // Collections that take longer than `run_time_max` are cut off after the message in progress.
  explicit FrontendClient(const std::shared_ptr<grpc::Channel>& channel,
                          absl::Duration run_time_max = absl::Hours(12));
  FrontendClient(const FrontendClient&) = delete;
  FrontendClient& operator=(const FrontendClient&) = delete;
  // Cancels what is open, and waits for its callbacks.
  ~FrontendClient();

  // `done` is called once, on one of gRPC's threads. Errors: those of the service; CANCELLED.
  void Collect(const std::string& collection, const std::string& run_id, Callback done);
  // The frontend ends the run after the message in progress.
  void Cancel(const std::string& run_id);

 private:
  class Stub;
  struct Call;
  void Forget(const std::shared_ptr<Call>& call);
  bool HasNoCalls() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return calls_.empty(); }

  const std::unique_ptr<Stub> stub_;
  const absl::Duration run_time_max_;
  absl::Mutex mu_;
  absl::flat_hash_set<std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_FRONTEND_CLIENT_H_
