// SCRAM-SHA-1 and SCRAM-SHA-256, with and without channel binding. [RFC5802] [RFC7677] [RFC9266]
//
// User names and passwords are taken as the octets that they are: SASLprep [RFC4013] leaves
// printable ASCII unchanged, so this matters for other characters only. A configured password with
// such characters must be written in the form that SASLprep gives it (NFKC, plain blanks), which is
// what clients hash.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_

#include <memory>
#include <optional>
#include <string>

#include "services/auth-service/core/sasl_exchange.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {

// For a user that does not exist, or has no verifier for it, everything goes on as for any other up
// to the proof, with a salt that stays the same.
class ScramExchange : public SaslExchange {
 public:
  struct Variant {
    absl::string_view name;  // a literal
    HashKind hash = HashKind::kSha256;
    bool is_plus = false;  // bound to the TLS session: `-PLUS`
  };

  ScramExchange(const Variant& variant, SaslInput input)
      : SaslExchange(std::move(input)), variant_(variant) {}
  SaslStep Start(std::optional<absl::string_view> initial_response) override;
  SaslStep Respond(absl::string_view response) override;
  SaslStep OnLogin(std::shared_ptr<const Login> login) override;
  SaslStep Work() override;

 private:
  enum class State { kClientFirst, kClientFinal, kServerFinalSent };

  // Takes `n,`, `y,` or `p=name,` from the front of `text`. False: the client must not go on.
  bool ConsumeBindingFlag(absl::string_view& text);
  SaslStep OnClientFirst(absl::string_view message);
  SaslStep OnClientFinal(absl::string_view message);
  // The keys have to be computed from a password, or somebody's have.
  bool MustMakeVerifier() const;

  const Variant variant_;
  State state_ = State::kClientFirst;
  std::shared_ptr<const Login> login_;  // null: cannot succeed
  std::string gs2_header_;
  std::string binding_;       // what the client has to show in its final message
  std::string client_first_;  // without the GS2 header
  std::string nonce_;         // the client's and ours
  std::string salt_;
  int iterations_ = 0;
  std::string auth_message_;  // [RFC5802 3]
  std::string proof_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_SCRAM_H_
