// What gateway-dequeue says about a running ATRN session, and everything else that stops one.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ATRN_WATCH_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ATRN_WATCH_H_

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/gateway-dequeue/client/dequeue.h"
#include "services/smtp-frontend/session/one_shot.h"

namespace turnpike::frontend {

// Thread-safe.
class AtrnWatch : public dequeue::AtrnSession::Handler {
 public:
  using Answer = absl::StatusOr<dequeue::v1::RunAtrnResponse>;

  // Why a session shall end after the message in progress.
  enum class Cause {
    kNone,     // it shall not
    kDrain,    // this process is shutting down
    kRevoked,  // gateway-dequeue has taken the grant back
    kClosed,   // its stream is over, and the grant with it
  };

  // The first response: a grant or a refusal; or why there is none. Called once.
  void WhenAnswered(absl::AnyInvocable<void(Answer)> done) { answer_.WhenSet(std::move(done)); }

  // The first cause counts.
  void Revoke(Cause cause);
  Cause cause() const;
  // Called once the session shall end, on any thread; now if that is so already. The last one
  // counts.
  void SetOnRevoked(absl::AnyInvocable<void()> on_revoked);

  void OnResponse(dequeue::v1::RunAtrnResponse response) override;
  void OnClosed(absl::Status status) override;

 private:
  OneShot<Answer> answer_;
  mutable absl::Mutex mu_;
  Cause cause_ ABSL_GUARDED_BY(mu_) = Cause::kNone;
  absl::AnyInvocable<void()> on_revoked_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_ATRN_WATCH_H_
