// What auth-service would say to a recipient, and by which rule. (AuthAdminService.ExplainVerdict)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "services/auth-service/rpc/session_parts.h"

namespace turnpike::auth {

// Thread-safe. Counts and remembers nothing.
class Explainer {
 public:
  explicit Explainer(std::shared_ptr<const CurrentParts> parts) : parts_(std::move(parts)) {}

  // Goes through connect, MAIL and RCPT and reports the first refusal. `done` is called once, on
  // any thread. INVALID_ARGUMENT: no such listener, no IP address, nobody has that login.
  using Done = absl::AnyInvocable<void(absl::StatusOr<v1::ExplainVerdictResponse>)>;
  void Explain(const v1::ExplainVerdictRequest& request, Done done) const;

 private:
  const std::shared_ptr<const CurrentParts> parts_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_
