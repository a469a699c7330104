// turnpike.auth.v1.SessionService: questions of SMTP sessions in, verdicts out.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.grpc.pb.h"
#include "services/auth-service/core/login_directory.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/rpc/metrics.h"
#include "services/auth-service/rpc/work_pool.h"
#include "services/common/base/clock.h"

namespace turnpike::auth {

// Thread-safe.
class SessionService : public v1::SessionService::CallbackService {
 public:
  struct Parts {
    std::shared_ptr<const Site> site;
    std::shared_ptr<const LoginDirectory> directory;
    std::string hostname;  // in CRAM-MD5's challenge
    // These outlive the service; the pool is idle before the service is destroyed.
    WorkPool& pool;
    Metrics& metrics;
    const base::Clock& clock;
    size_t exchanges_per_stream_max = 10'000;
  };

  explicit SessionService(Parts parts) : parts_(std::move(parts)) {}

  grpc::ServerBidiReactor<v1::AskRequest, v1::AskResponse>* Ask(
      grpc::CallbackServerContext* context) override;

  // Ends every stream with UNAVAILABLE once its answers are out, and new ones at once.
  void EndStreams();

 private:
  class Asker;

  void Forget(Asker* asker);

  const Parts parts_;
  absl::Mutex mu_;
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::shared_ptr<Asker>> askers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
