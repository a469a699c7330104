// What we keep to check a login with: passwords, and what stands for them. (AU-23, DQ-33)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_VERIFIERS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_VERIFIERS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/auth-service/core/cram_md5_states.h"

namespace turnpike::auth {

inline constexpr size_t kPasswordBytesMax = 1024;

// [RFC5802 3] `StoredKey` and `ServerKey`, and how they were made. Not as good as the password.
struct ScramVerifier {
  int iterations = 0;
  std::string salt;
  std::string stored_key;  // 32 octets
  std::string server_key;  // 32 octets
};

ScramVerifier MakeScramVerifier(absl::string_view password, std::string salt, int iterations);

// All of one login. Each is there or not; together they stand for one password.
struct Verifiers {
  std::optional<std::string> password;
  std::optional<std::string> argon2;  // PHC string
  std::optional<ScramVerifier> scram_sha256;
  std::optional<CramMd5States> cram_md5;  // made from `password` where that is known

  bool has_scram() const { return scram_sha256.has_value() || password.has_value(); }
};

// Reads one verifier a line:
//   {PLAIN}secret             the password itself
//   $argon2id$v=19$m=…,t=…,p=…$salt$hash   (and $argon2i$), at most 1 GiB and 127 characters
//   SCRAM-SHA-256$4096:salt$StoredKey:ServerKey   base64; as PostgreSQL keeps it; 4096..10,000,000
//   {CRAM-MD5}hex             as Dovecot keeps it
// Empty lines are skipped. INVALID_ARGUMENT for anything else, for a kind given twice, and for no
// verifier at all; the text of the error holds nothing of the input.
absl::StatusOr<Verifiers> ParseVerifiers(absl::string_view text);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_VERIFIERS_H_
