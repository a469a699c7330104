// What a SessionService is made of.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_PARTS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_PARTS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/auth-service/core/login_directory.h"
#include "services/auth-service/core/recipient_gate.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/rpc/inquiry.h"
#include "services/auth-service/rpc/metrics.h"
#include "services/auth-service/rpc/work_pool.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"

namespace turnpike::auth {

// Immutable; made anew when the configuration changes.
struct SessionParts {
  std::shared_ptr<const Site> site;
  std::shared_ptr<const LoginDirectory> directory;
  std::string hostname;  // in CRAM-MD5's challenge
  // Whoever asks these, or those that `directory` names, keeps the parts until the answer is there.
  Witnesses witnesses;
  RecipientGate* recipient_gate = nullptr;         // null: what the rules accept is accepted
  std::vector<std::shared_ptr<const void>> owned;  // they, as far as nobody else does
  // These outlive the service and all that it has asked of them; the pool is idle before the
  // service is destroyed.
  Screen* screen = nullptr;  // null: nobody is ever screened
  WorkPool& pool;
  Metrics& metrics;
  const base::Clock& clock;
  // For directories and other servers; the frontend gives up after smtp.policy_timeout.
  absl::Duration lookup_timeout = absl::Seconds(10);
  size_t exchanges_per_stream_max = 10'000;
};

// What new questions are answered by.
using CurrentParts = base::Current<SessionParts>;

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SESSION_PARTS_H_
