// EXTERNAL: who somebody is has been shown by the client's certificate. [RFC4422 A]
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXTERNAL_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXTERNAL_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

// The client may name the account, which must be among the certificate's addresses; otherwise it is
// the first of them that is an account's.
class ExternalExchange : public SaslExchange {
 public:
  explicit ExternalExchange(SaslInput input) : SaslExchange(std::move(input)) {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;
  SaslStep OnLogin(std::shared_ptr<const Login> login) override;

 private:
  SaslStep TryNext();

  bool is_named_ = false;
  size_t next_ = 0;  // of the certificate's addresses
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXTERNAL_H_
