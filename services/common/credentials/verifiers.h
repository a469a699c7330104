// What we keep to check a login with: passwords, and what stands for them. (AU-23, DQ-33)
#ifndef TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIERS_H_
#define TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIERS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/credentials/cram_md5_states.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {

inline constexpr size_t kPasswordBytesMax = 1024;

inline constexpr int kScramIterationsMin = 4096;  // [RFC7677 4]
inline constexpr int kScramIterationsMax = 10'000'000;

// [RFC5802 3] `StoredKey` and `ServerKey`, and how they were made. Not as good as the password.
// The keys are as long as the hash.
struct ScramVerifier {
  HashKind hash = HashKind::kSha256;
  int iterations = 0;
  std::string salt;
  std::string stored_key;
  std::string server_key;
};

ScramVerifier MakeScramVerifier(HashKind hash, absl::string_view password, std::string salt,
                                int iterations);

// `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`, as ParseVerifiers reads it.
std::string FormatScramVerifier(const ScramVerifier& verifier);

// All of one login. Each is there or not; together they stand for one password.
struct Verifiers {
  std::optional<std::string> password;
  std::optional<std::string> argon2;  // PHC string
  std::optional<ScramVerifier> scram_sha256;
  std::optional<ScramVerifier> scram_sha1;
  std::optional<CramMd5States> cram_md5;  // made from `password` where that is known

  const std::optional<ScramVerifier>& scram(HashKind hash) const {
    return hash == HashKind::kSha1 ? scram_sha1 : scram_sha256;
  }
  bool has_scram(HashKind hash) const { return scram(hash).has_value() || password.has_value(); }
};

// Reads one verifier a line:
//   {PLAIN}secret             the password itself
//   $argon2id$v=19$m=…,t=…,p=…$salt$hash   (and $argon2i$), at most 1 GiB and 127 characters
//   SCRAM-SHA-256$4096:salt$StoredKey:ServerKey   base64; as PostgreSQL keeps it; 4096..10,000,000
//   SCRAM-SHA-1$4096:salt$StoredKey:ServerKey     likewise
//   {CRAM-MD5}hex             as Dovecot keeps it
// Empty lines are skipped. INVALID_ARGUMENT for anything else, for a kind given twice, and for no
// verifier at all; the text of the error holds nothing of the input.
absl::StatusOr<Verifiers> ParseVerifiers(absl::string_view text);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIERS_H_
