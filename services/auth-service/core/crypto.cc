#include "services/auth-service/core/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "services/common/base/check.h"

namespace turnpike::auth {
namespace {

constexpr size_t kSha256Bytes = 32;

const unsigned char* Octets(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Octets(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string Sha256(absl::string_view data) {
  std::string digest(kSha256Bytes, '\0');
  TURNPIKE_CHECK(
      EVP_Digest(data.data(), data.size(), Octets(digest), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string HmacSha256(absl::string_view key, absl::string_view data) {
  std::string digest(kSha256Bytes, '\0');
  TURNPIKE_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Octets(data),
                      data.size(), Octets(digest), nullptr) != nullptr);
  return digest;
}

std::string Pbkdf2Sha256(absl::string_view password, absl::string_view salt, int iterations) {
  std::string key(kSha256Bytes, '\0');
  TURNPIKE_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Octets(salt),
                                   static_cast<int>(salt.size()), iterations, EVP_sha256(),
                                   static_cast<int>(key.size()), Octets(key)) == 1);
  return key;
}

bool ConstantTimeEqual(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::string> FromBase64(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return std::nullopt;
  // Abseil also takes blanks and missing padding; what it would not write itself is not base64.
  if (absl::Base64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

std::string ToBase64(absl::string_view bytes) { return absl::Base64Escape(bytes); }

void Wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace turnpike::auth
