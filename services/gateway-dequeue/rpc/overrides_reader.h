// The overrides of all gateways, read from the shared state.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OVERRIDES_READER_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OVERRIDES_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/gateway-dequeue/core/overrides.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::dequeue {

// What is known is at most `age_max` old; questions that come while it is being read share the
// answer. So a change counts on its own replica at once, on the others within `age_max`.
//
// Thread-safe.
class OverridesReader {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<const Overrides>>)>;

  struct Options {
    absl::Duration age_max = absl::Seconds(1);
  };

  // `state` outlives the reader, and the reader all calls: those still under way end when `state`
  // is destroyed.
  OverridesReader(spool::SharedState& state, const Options& options)
      : state_(state), options_(options) {}

  // UNAVAILABLE and DEADLINE_EXCEEDED: the store is away. `done` runs on a thread of the shared
  // state's, or inside the call.
  void Read(Callback done);

  // Something has changed: the next Read begins anew.
  void Forget();

 private:
  struct Reading;

  std::shared_ptr<Reading> Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReadPage(std::shared_ptr<Reading> reading, const std::string& page_token);
  void Finish(const Reading& reading, const absl::Status& status);

  spool::SharedState& state_;
  const Options options_;
  absl::Mutex mu_;
  std::shared_ptr<const Overrides> last_ ABSL_GUARDED_BY(mu_);
  absl::Time last_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // when its reading began
  uint64_t changes_ ABSL_GUARDED_BY(mu_) = 0;                         // calls of Forget
  std::shared_ptr<Reading> reading_ ABSL_GUARDED_BY(mu_);             // under way
  std::vector<Callback> waiting_ ABSL_GUARDED_BY(mu_);                // for `reading_`
  std::vector<Callback> waiting_next_ ABSL_GUARDED_BY(mu_);           // for the one after it
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OVERRIDES_READER_H_
