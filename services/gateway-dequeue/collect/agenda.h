// All of our own collections and requests, on a thread of their own. (DQ-50 to DQ-52)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_AGENDA_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_AGENDA_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/base/clock.h"
#include "services/gateway-dequeue/collect/errand.h"
#include "services/gateway-dequeue/collect/run_metrics.h"
#include "services/spool-store/client/shared_state.h"

namespace prometheus {
class Registry;
}

namespace turnpike::dequeue {

class FrontendClient;

// Thread-safe.
class Agenda {
 public:
  // What it works with; all outlive Stop.
  struct Parts {
    spool::SharedState& state;
    std::unique_ptr<FrontendClient> frontend;
    prometheus::Registry& registry;
    const base::Clock& clock;
  };
  template <typename T>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  // Begins to run what is due. `config` is complete and checked; it is copied from. Errors: of
  // authorities' files, with the entry's name.
  static absl::StatusOr<std::unique_ptr<Agenda>> Start(const config::v1::Config& config,
                                                       Parts parts);
  Agenda(const Agenda&) = delete;
  Agenda& operator=(const Agenda&) = delete;
  // After Stop. The shared state has called back into all its calls by now.
  ~Agenda();

  // Goes by `config` from here on. Entries that are as they were go on; others begin anew, by what
  // is remembered of them. Those that are gone, or were different, end what they are doing. Errors:
  // as Start's; then nothing has changed. Not after Drain.
  absl::Status Reconfigure(const config::v1::Config& config);

  // Runs one now; NOT_FOUND when there is none of this name, else as Entry::RunNow's errors. The
  // callbacks of both come on the agenda's thread, and not at all once it has stopped.
  void RunNow(RunKind kind, const std::string& name, Callback<ErrandResult> done);
  // The state of all of a kind, by name. Errors: of the shared state.
  void Describe(RunKind kind, Callback<std::vector<v1::RequestState>> done);

  // Nothing begins any more; runs in progress are ended. Waits for them, or until `deadline`.
  void Drain(absl::Time deadline);
  // Ends the thread. What still runs is destroyed with the agenda.
  void Stop();

 private:
  class Impl;
  explicit Agenda(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_COLLECT_AGENDA_H_
