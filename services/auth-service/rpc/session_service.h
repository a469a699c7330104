// turnpike.auth.v1.SessionService: questions of SMTP sessions in, verdicts out.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "protos/turnpike/auth/v1/session.grpc.pb.h"
#include "services/auth-service/rpc/session_parts.h"

namespace turnpike::auth {

// Thread-safe.
class SessionService : public v1::SessionService::CallbackService {
 public:
  using Parts = SessionParts;

  explicit SessionService(Parts parts)
      : SessionService(std::make_shared<const Parts>(std::move(parts))) {}
  explicit SessionService(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  grpc::ServerBidiReactor<v1::AskRequest, v1::AskResponse>* Ask(
      grpc::CallbackServerContext* context) override;

  // Ends every stream with UNAVAILABLE once its answers are out, and new ones at once.
  void EndStreams();

 private:
  class Asker;

  void Forget(Asker* asker);

  const std::shared_ptr<const Parts> parts_;  // also held by what they are still asked
  absl::Mutex mu_;
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::shared_ptr<Asker>> askers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
