// What else recipients must pass that the rules have accepted: a gateway's quota, its list of
// recipients. (DQ-2, DQ-4)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECIPIENT_GATE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECIPIENT_GATE_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "protos/turnpike/auth/v1/session.pb.h"

namespace turnpike::auth {

// Thread-safe.
class RecipientGate {
 public:
  virtual ~RecipientGate() = default;

  // Whether it has anything to say about a recipient with this verdict. Cheap.
  virtual bool Guards(const v1::Verdict& verdict) const = 0;

  // Hands `verdict`, which accepts `address`, to `done` as it is or with a refusal instead. Once,
  // on any thread, also inside of this call.
  virtual void Judge(std::string address, v1::Verdict verdict,
                     absl::AnyInvocable<void(v1::Verdict)> done) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_RECIPIENT_GATE_H_
