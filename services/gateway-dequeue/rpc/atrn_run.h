// One ATRN session, from the question to its end.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ATRN_RUN_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ATRN_RUN_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.grpc.pb.h"
#include "services/common/rpc/server_stream.h"
#include "services/gateway-dequeue/core/decision.h"
#include "services/gateway-dequeue/core/overrides.h"
#include "services/gateway-dequeue/rpc/parts.h"
#include "services/gateway-dequeue/rpc/session_lock.h"

namespace turnpike::dequeue {

// The steps before a grant: decide, take the session's lock, keep the interval (DQ-36), see whether
// anything is held. Each may end in a refusal; a client that goes away in between leaves nothing
// behind. After the grant the session runs until its stream ends.
//
// Thread-safe.
class AtrnRun : public std::enable_shared_from_this<AtrnRun> {
 public:
  using Stream = rpc::ServerStream<v1::RunAtrnRequest, v1::RunAtrnResponse>;

  // `parts` outlives the run and its calls.
  AtrnRun(const Parts& parts, std::shared_ptr<Stream> stream)
      : parts_(parts), stream_(std::move(stream)) {}

  // The stream's events.
  void OnMessage(const v1::RunAtrnRequest& request);
  void OnHalfClose();
  void OnClosed();

  // The session shall come to its end: refuses one that has not begun, revokes one that runs.
  void Revoke();
  // The same, if the session is one of this gateway.
  void RevokeOf(absl::string_view gateway);

 private:
  enum class State { kWaiting, kDeciding, kRunning, kOver };

  void Begin(const v1::AtrnBegin& begin);
  void Decide(const v1::AtrnBegin& begin, const Overrides& overrides);
  void OnLocked(absl::StatusOr<std::shared_ptr<SessionLock>> lock);
  void KeepInterval();
  void LookIntoQueue();
  void OnQueue(const absl::StatusOr<spool::v1::GetQueueResponse>& response);
  void Grant();
  // `cause` is for the log.
  void Refuse(const smtp::ReplyCode& reply, Result result,
              const absl::Status& cause = absl::OkStatus());
  void End(v1::AtrnEnding ending, const std::string& detail);
  // The answer to a call of ours came for a session that is over.
  bool IsOver();

  const Parts& parts_;
  const std::shared_ptr<Stream> stream_;

  absl::Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kWaiting;
  bool is_revoked_ ABSL_GUARDED_BY(mu_) = false;
  v1::Asker asker_ ABSL_GUARDED_BY(mu_);
  AtrnDecision decision_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<SessionLock> lock_ ABSL_GUARDED_BY(mu_);
  absl::Time begin_time_ ABSL_GUARDED_BY(mu_);
  v1::AtrnProgress progress_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ATRN_RUN_H_
