// The few cryptographic operations that the mechanisms are made of, as values.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CRYPTO_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CRYPTO_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::auth {

std::string Sha256(absl::string_view data);                             // 32 octets
std::string HmacSha256(absl::string_view key, absl::string_view data);  // 32 octets
// `iterations` in 1..INT_MAX; 32 octets. 4096 iterations take about 1 ms.
std::string Pbkdf2Sha256(absl::string_view password, absl::string_view salt, int iterations);

// Takes the same time wherever the texts differ. Texts of different lengths are different at once.
bool ConstantTimeEqual(absl::string_view a, absl::string_view b);

// Strict base64 with padding. [RFC4648 4]
std::optional<std::string> FromBase64(absl::string_view text);
std::string ToBase64(absl::string_view bytes);

// Overwrites a secret that is no longer needed.
void Wipe(std::string& secret);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_CRYPTO_H_
