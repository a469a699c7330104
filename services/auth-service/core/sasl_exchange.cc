#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

SaslStep SaslStep::Success(const v1::Identity& identity, absl::string_view mechanism) {
  SaslStep step{.kind = Kind::kSuccess, .identity = identity};
  step.identity.set_mechanism(std::string(mechanism));
  return step;
}

}  // namespace turnpike::auth
