// turnpike.auth.v1.SessionService: questions of SMTP sessions in, verdicts out.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_

#include <memory>
#include <utility>
#include <vector>

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
      : SessionService(
            std::make_shared<CurrentParts>(std::make_shared<const Parts>(std::move(parts)))) {}
  // Answers each question by the parts that are current when it comes.
  explicit SessionService(std::shared_ptr<CurrentParts> parts) : parts_(std::move(parts)) {}

  grpc::ServerBidiReactor<v1::AskRequest, v1::AskResponse>* Ask(
      grpc::CallbackServerContext* context) override;

  // Goes by other parts from here on, and has the frontends forget what they were told. Exchanges
  // in progress and questions whose answer is being looked for go on by the parts that they began
  // with.
  void Reconfigure(std::shared_ptr<const Parts> parts);

  // Ends every stream with UNAVAILABLE once its answers are out, and new ones at once.
  void EndStreams();

 private:
  class Asker;

  void Forget(Asker* asker);
  std::vector<std::shared_ptr<Asker>> Askers() ABSL_LOCKS_EXCLUDED(mu_);

  const std::shared_ptr<CurrentParts> parts_;
  absl::Mutex mu_;
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::shared_ptr<Asker>> askers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_SERVICE_H_
