#include "services/common/credentials/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "services/common/base/check.h"

namespace turnpike::auth {
namespace {

const EVP_MD* Function(HashKind kind) {
  return kind == HashKind::kSha1 ? EVP_sha1() : EVP_sha256();
}

const unsigned char* Octets(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Octets(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

size_t HashBytes(HashKind kind) { return kind == HashKind::kSha1 ? 20 : 32; }

std::string Hash(HashKind kind, absl::string_view data) {
  std::string digest(HashBytes(kind), '\0');
  TURNPIKE_CHECK(
      EVP_Digest(data.data(), data.size(), Octets(digest), nullptr, Function(kind), nullptr) == 1);
  return digest;
}

std::string Hmac(HashKind kind, absl::string_view key, absl::string_view data) {
  std::string digest(HashBytes(kind), '\0');
  TURNPIKE_CHECK(HMAC(Function(kind), key.data(), static_cast<int>(key.size()), Octets(data),
                      data.size(), Octets(digest), nullptr) != nullptr);
  return digest;
}

std::string Pbkdf2(HashKind kind, absl::string_view password, absl::string_view salt,
                   int iterations) {
  std::string key(HashBytes(kind), '\0');
  TURNPIKE_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Octets(salt),
                                   static_cast<int>(salt.size()), iterations, Function(kind),
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
