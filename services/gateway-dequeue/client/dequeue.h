// gateway-dequeue as an smtp-frontend sees it (turnpike.dequeue.v1.DequeueService).
// Implementations: RpcDequeue and FakeDequeue.
//
// Thread safety: thread-safe. Callbacks run exactly once, on a thread of the implementation's
// choice; they must not block.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_DEQUEUE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_DEQUEUE_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"

namespace turnpike::dequeue {

// One ATRN session, from the question to its end. Destroying it without End counts as a lost
// connection.
class AtrnSession {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // The first call: a grant or a refusal. Later ones: `revoke`.
    virtual void OnResponse(v1::RunAtrnResponse response) = 0;
    // The stream is over; before any response: UNAVAILABLE means 451. Last call, comes always.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~AtrnSession() = default;
  virtual void Report(const v1::AtrnProgress& progress) = 0;
  virtual void End(const v1::AtrnEnd& end) = 0;
};

class Dequeue {
 public:
  virtual ~Dequeue() = default;

  // Errors: UNAVAILABLE and DEADLINE_EXCEEDED: answer 458 4.3.0.
  virtual void RequestEtrn(
      v1::RequestEtrnRequest request, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<v1::RequestEtrnResponse>)> done) = 0;

  virtual std::unique_ptr<AtrnSession> RunAtrn(v1::AtrnBegin begin,
                                               std::shared_ptr<AtrnSession::Handler> handler) = 0;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_DEQUEUE_H_
