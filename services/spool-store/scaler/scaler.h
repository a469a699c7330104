// The external scaler with its server and its ways to the shards. (PL-61)
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace prometheus {
class Registry;
}
namespace turnpike::rpc {
class Security;
}

namespace turnpike::spool {

// Thread-compatible.
class Scaler {
 public:
  // Serves at spool.scaler_listen, with the figures of all stores that spool.shards names, or of
  // the one at services.spool_store.target; null when it is empty. All arguments outlive it.
  // UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Scaler>> Start(const config::v1::Config& config,
                                                       const rpc::Security* security,
                                                       prometheus::Registry& registry);
  virtual ~Scaler() = default;

  virtual const std::string& address() const = 0;
  // Ends what is asked, so that another store is asked. Until `deadline` for calls in progress.
  virtual void Drain(absl::Time deadline) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SCALER_H_
