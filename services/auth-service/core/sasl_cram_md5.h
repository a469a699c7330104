// CRAM-MD5: the one mechanism that every ODMR client has. [RFC2195] [RFC2645 5.1.2]
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CRAM_MD5_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CRAM_MD5_H_

#include <memory>
#include <optional>
#include <string>

#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

// The server speaks first, so an initial response is an error. [RFC4954 4]
class CramMd5Exchange : public SaslExchange {
 public:
  explicit CramMd5Exchange(SaslInput input) : SaslExchange(std::move(input)) {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;
  SaslStep OnLogin(std::shared_ptr<const Login> login) override;

 private:
  std::string challenge_;
  std::string digest_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CRAM_MD5_H_
