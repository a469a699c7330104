// The policy as an smtp-frontend asks it (turnpike.auth.v1.SessionService). Implementations:
// RpcPolicy, CachingPolicy(Policy) and FakePolicy.
//
// Thread safety: thread-safe; a frontend thread has one of its own, so that a question and its
// answer stay on few threads. Callbacks run exactly once, on a thread of the implementation's
// choice, also inside Ask when the answer is known, and when the policy is destroyed (CANCELLED).
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_POLICY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_POLICY_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"

namespace turnpike::auth {

class Policy {
 public:
  using AnswerCallback = absl::AnyInvocable<void(absl::StatusOr<v1::Answer>)>;

  virtual ~Policy() = default;

  // Asks one question; `question.question_id` is set by the implementation.
  // Errors: UNAVAILABLE (stream broken, service away) and DEADLINE_EXCEEDED: answer 451 or 454, the
  // session goes on.
  virtual void Ask(v1::Question question, absl::Time deadline, AnswerCallback done) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_POLICY_H_
