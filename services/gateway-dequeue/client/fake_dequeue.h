// A gateway-dequeue in memory, for the tests of whoever asks one.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_FAKE_DEQUEUE_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_FAKE_DEQUEUE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/gateway-dequeue/client/dequeue.h"

namespace turnpike::dequeue {

// Says what the test has told it to say, and remembers what it was asked. Callbacks run inside the
// calls, also before RunAtrn has returned.
//
// Thread-safe.
class FakeDequeue : public Dequeue {
 public:
  // What became of one ATRN session.
  struct AtrnRecord {
    v1::AtrnBegin begin;
    v1::AtrnProgress progress;  // last report
    std::optional<v1::AtrnEnd> end;
    bool destroyed = false;  // without an end: the connection was lost
  };

  FakeDequeue();
  ~FakeDequeue() override;

  // Default: `250 2.0.0 Queuing started`. An error status is reported as such.
  void SetEtrnResponse(absl::StatusOr<v1::RequestEtrnResponse> response);
  // The first response to every ATRN. Default: 453. An error closes the stream at once with it.
  void SetAtrnResponse(absl::StatusOr<v1::RunAtrnResponse> response);
  // As SetAtrnResponse, with a grant of `domain`'s queue and of it alone.
  void GrantAtrn(const std::string& domain);
  // Tells running sessions to stop.
  void RevokeAtrn();
  // Breaks running sessions' streams.
  void CloseAtrn(const absl::Status& status);

  std::vector<v1::RequestEtrnRequest> etrn_requests() const;
  std::vector<AtrnRecord> atrn_records() const;

  void RequestEtrn(v1::RequestEtrnRequest request, absl::Time deadline,
                   absl::AnyInvocable<void(absl::StatusOr<v1::RequestEtrnResponse>)> done) override;
  std::unique_ptr<AtrnSession> RunAtrn(v1::AtrnBegin begin,
                                       std::shared_ptr<AtrnSession::Handler> handler) override;

 private:
  class Session;
  struct State;
  const std::shared_ptr<State> state_;  // sessions may outlive this
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CLIENT_FAKE_DEQUEUE_H_
