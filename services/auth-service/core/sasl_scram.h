// SCRAM-SHA-256 without channel binding. [RFC5802] [RFC7677]
//
// User names and passwords are taken as the octets that they are: SASLprep [RFC4013] leaves
// printable ASCII unchanged, so this matters for other characters only. A configured password with
// such characters must be written in the form that SASLprep gives it (NFKC, plain blanks), which is
// what clients hash.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_

#include <optional>
#include <string>

#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

// For a user that does not exist, or has no verifier for it, everything goes on as for any other up
// to the proof, with a salt that stays the same.
class ScramSha256Exchange : public SaslExchange {
 public:
  explicit ScramSha256Exchange(SaslInput input) : SaslExchange(std::move(input)) {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;
  SaslStep Work() override;

 private:
  enum class State { kClientFirst, kClientFinal, kServerFinalSent };

  SaslStep OnClientFirst(absl::string_view message);
  SaslStep OnClientFinal(absl::string_view message);

  State state_ = State::kClientFirst;
  const Login* login_ = nullptr;  // of the directory; null: cannot succeed
  std::string gs2_header_;
  std::string nonce_;  // the client's and ours
  std::string salt_;
  int iterations_ = 0;
  std::string auth_message_;  // [RFC5802 3]
  std::string proof_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_
