// What auth-service would say to a recipient, and by which rule. (AuthAdminService.ExplainVerdict)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/rpc/session_parts.h"

namespace turnpike::auth {

// Thread-safe. Counts and remembers nothing.
class Explainer {
 public:
  // The names and roles of the listeners are copied from `config`.
  Explainer(std::shared_ptr<const SessionParts> parts, const config::v1::Config& config);

  // Goes through connect, MAIL and RCPT and reports the first refusal. `done` is called once, on
  // any thread. INVALID_ARGUMENT: no such listener, no IP address, nobody has that login.
  using Done = absl::AnyInvocable<void(absl::StatusOr<v1::ExplainVerdictResponse>)>;
  void Explain(const v1::ExplainVerdictRequest& request, Done done) const;

 private:
  struct Case;

  // The session that the request describes, but for a login of another directory.
  absl::StatusOr<v1::SessionFacts> FactsOf(const v1::ExplainVerdictRequest& request) const;
  void FindLogin(std::shared_ptr<Case> asked) const;
  void JudgeMail(std::shared_ptr<Case> asked) const;
  void JudgeRcpt(std::shared_ptr<Case> asked) const;

  const std::shared_ptr<const SessionParts> parts_;
  absl::flat_hash_map<std::string, v1::ListenerRole> roles_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_EXPLAIN_H_
