// How many deliveries of a gateway may have arrived, although we do not know it. (DQ-37, DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_UNKNOWN_OUTCOMES_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_UNKNOWN_OUTCOMES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}

namespace turnpike::dequeue {

// Thread-safe.
class UnknownOutcomes {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<int64_t>)>;

  virtual ~UnknownOutcomes() = default;
  // Errors: UNAVAILABLE and DEADLINE_EXCEEDED, the store is away; of several stores all are, else
  // those count that answer. `done` runs on a thread of the implementation's choice.
  //
  // Limit: counted among as many deliveries as the store looks at for one page, the oldest ones
  // first; at most 1,000. Sessions offer the oldest first, so those whose outcome is unknown are
  // among these.
  virtual void Count(const std::string& gateway, absl::Time deadline, Callback done) = 0;
};

// Asks the stores at the ends of these channels, at least one.
std::unique_ptr<UnknownOutcomes> CreateRpcUnknownOutcomes(
    const std::vector<std::shared_ptr<grpc::Channel>>& stores);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_UNKNOWN_OUTCOMES_H_
