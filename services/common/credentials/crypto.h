// The few cryptographic operations that the mechanisms are made of, as values.
#ifndef TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRYPTO_H_
#define TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRYPTO_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::auth {

// The hash functions that SCRAM is used with.
enum class HashKind { kSha1, kSha256 };

size_t HashBytes(HashKind kind);  // 20, 32
std::string Hash(HashKind kind, absl::string_view data);
std::string Hmac(HashKind kind, absl::string_view key, absl::string_view data);
// As long as the hash. `iterations` in 1..INT_MAX; 4096 iterations take about 1 ms.
std::string Pbkdf2(HashKind kind, absl::string_view password, absl::string_view salt,
                   int iterations);

inline std::string Sha256(absl::string_view data) { return Hash(HashKind::kSha256, data); }
inline std::string HmacSha256(absl::string_view key, absl::string_view data) {
  return Hmac(HashKind::kSha256, key, data);
}

// Takes the same time wherever the texts differ. Texts of different lengths are different at once.
bool ConstantTimeEqual(absl::string_view a, absl::string_view b);

// Strict base64 with padding. [RFC4648 4]
std::optional<std::string> FromBase64(absl::string_view text);
std::string ToBase64(absl::string_view bytes);

// Overwrites a secret that is no longer needed.
void Wipe(std::string& secret);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_COMMON_CREDENTIALS_CRYPTO_H_
