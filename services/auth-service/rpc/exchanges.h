// The AUTH exchanges that are in progress on one stream.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXCHANGES_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXCHANGES_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

struct SessionParts;

// One exchange of one SMTP session, and what the log says of it.
struct RunningExchange {
  Mechanism mechanism;
  std::unique_ptr<SaslExchange> sasl;
  std::string session_id;
  std::string client_address;
  absl::Time begin_time;
  std::shared_ptr<const SessionParts> parts;  // that it began with, and goes on with
};

// At most one exchange for each session. An exchange is taken out while it is worked on, so nobody
// else touches it, and put back if it goes on.
//
// Thread-safe.
class Exchanges {
 public:
  static constexpr absl::Duration kAgeMax = absl::Minutes(10);

  explicit Exchanges(size_t exchanges_max) : exchanges_max_(exchanges_max) {}

  // False if there are too many, none of them older than kAgeMax: sessions that went away without a
  // word. Replaces an exchange of the same session.
  [[nodiscard]] bool Put(std::unique_ptr<RunningExchange> exchange, absl::Time now);
  // Null if the session has none.
  std::unique_ptr<RunningExchange> Take(absl::string_view session_id);

  size_t size() const;

 private:
  const size_t exchanges_max_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, std::unique_ptr<RunningExchange>> exchanges_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXCHANGES_H_
