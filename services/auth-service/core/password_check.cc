#include "services/auth-service/core/password_check.h"

#include <sodium.h>

#include <string>

#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

bool CheckArgon2(const std::string& phc, absl::string_view password) {
  return crypto_pwhash_str_verify(phc.c_str(), password.data(), password.size()) == 0;
}

bool CheckScram(const ScramVerifier& verifier, absl::string_view password) {
  const ScramVerifier made =
      MakeScramVerifier(verifier.hash, password, verifier.salt, verifier.iterations);
  return ConstantTimeEqual(made.stored_key, verifier.stored_key);
}

bool CheckCramMd5(const CramMd5States& states, absl::string_view password) {
  const CramMd5States made = MakeCramMd5States(password);
  // No short cut between the two halves.
  return ConstantTimeEqual(made.outer + made.inner, states.outer + states.inner);
}

// The better one of those that there are. Null: none.
const ScramVerifier* ScramOf(const Verifiers& verifiers) {
  if (verifiers.scram_sha256.has_value()) return &*verifiers.scram_sha256;
  return verifiers.scram_sha1.has_value() ? &*verifiers.scram_sha1 : nullptr;
}

}  // namespace

bool IsDear(const Login* login, const CheckingCost& cost) {
  const bool is_own_dear = login != nullptr && (login->verifiers.argon2.has_value() ||
                                                ScramOf(login->verifiers) != nullptr);
  return is_own_dear || cost.argon2.has_value() || cost.clear_text_needs_pbkdf2;
}

bool CheckPassword(const Login* login, absl::string_view password, const CheckingCost& cost) {
  static const Verifiers* const kNone = new Verifiers;
  const Verifiers& verifiers = login != nullptr ? login->verifiers : *kNone;

  bool argon2_agrees = false;
  if (cost.argon2.has_value() || verifiers.argon2.has_value()) {
    const std::string& phc = verifiers.argon2.has_value() ? *verifiers.argon2 : *cost.argon2;
    argon2_agrees = CheckArgon2(phc, password) && verifiers.argon2.has_value();
  }
  bool scram_agrees = false;
  const ScramVerifier* scram = ScramOf(verifiers);
  if (cost.clear_text_needs_pbkdf2 || scram != nullptr) {
    const ScramVerifier other{.iterations = cost.scram_iterations, .salt = "0123456789abcdef"};
    scram_agrees = CheckScram(scram != nullptr ? *scram : other, password) && scram != nullptr;
  }
  // Hashed, so that the length of the password takes no part in the comparison.
  const bool password_agrees =
      ConstantTimeEqual(Sha256(password), Sha256(verifiers.password.value_or(""))) &&
      verifiers.password.has_value();
  const bool cram_md5_agrees =
      CheckCramMd5(verifiers.cram_md5.value_or(CramMd5States()), password) &&
      verifiers.cram_md5.has_value();

  if (verifiers.password.has_value()) return password_agrees;
  if (verifiers.argon2.has_value()) return argon2_agrees;
  if (scram != nullptr) return scram_agrees;
  return cram_md5_agrees;
}

}  // namespace turnpike::auth
