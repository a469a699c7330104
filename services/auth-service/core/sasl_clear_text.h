// PLAIN and LOGIN: the client sends its password. Only for sessions under TLS, or where a listener
// is told to allow it.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CLEAR_TEXT_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CLEAR_TEXT_H_

#include <memory>
#include <optional>
#include <string>

#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

// What both have in common once the password is there.
class ClearTextExchange : public SaslExchange {
 public:
  ~ClearTextExchange() override;
  SaslStep Work() override;
  SaslStep OnLogin(std::shared_ptr<const Login> login) override;
  SaslStep OnChecked(bool is_right) override;
  AccountDirectory* checker() const override { return checker_; }
  const std::string& password() const override { return password_; }
  std::string password_mark() const override { return password_mark_; }

 protected:
  ClearTextExchange(SaslInput input, absl::string_view mechanism)
      : SaslExchange(std::move(input)), mechanism_(mechanism) {}

  // Checks the password of user().
  SaslStep Check(absl::string_view password);

 private:
  const absl::string_view mechanism_;  // a literal
  SaslStep Conclude(bool is_right);

  std::shared_ptr<const Login> login_;
  AccountDirectory* checker_ = nullptr;
  std::string password_;
  std::string password_mark_;
};

// [RFC4616]
class PlainExchange : public ClearTextExchange {
 public:
  explicit PlainExchange(SaslInput input) : ClearTextExchange(std::move(input), "PLAIN") {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;
};

// draft-murchison-sasl-login-00: asks for the user name, then for the password. An initial response
// is the user name.
class LoginExchange : public ClearTextExchange {
 public:
  explicit LoginExchange(SaslInput input) : ClearTextExchange(std::move(input), "LOGIN") {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;

 private:
  bool has_user_ = false;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_CLEAR_TEXT_H_
