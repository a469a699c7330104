#include "services/common/credentials/verifier_lines.h"

#include <gsasl.h>
#include <sodium.h>

#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/cram_md5_states.h"
#include "services/common/credentials/verifiers.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::auth {
namespace {

constexpr size_t kSaltBytes = 16;

// libsodium may be asked to begin any number of times.
void StartSodium() { TURNPIKE_CHECK(sodium_init() >= 0); }

std::string Salt() {
  StartSodium();
  std::string salt(kSaltBytes, '\0');
  randombytes_buf(salt.data(), salt.size());
  return salt;
}

// The password as a client prepares it for SCRAM.
absl::StatusOr<std::string> Prepare(absl::string_view password) {
  std::string text(password);
  char* prepared = nullptr;
  int reason = 0;
  const int result =
      gsasl_saslprep(text.c_str(), static_cast<Gsasl_saslprep_flags>(0), &prepared, &reason);
  Wipe(text);
  if (result != GSASL_OK) {
    return absl::InvalidArgumentError(
        "the password has characters that clients refuse in SCRAM (SASLprep); choose another one");
  }
  std::string out(prepared);
  sodium_memzero(prepared, out.size());
  gsasl_free(prepared);
  return out;
}

}  // namespace

absl::Status CheckNewPassword(absl::string_view password) {
  if (password.empty()) return absl::InvalidArgumentError("the password is empty");
  if (password.size() > kPasswordBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the password has more than ", kPasswordBytesMax, " octets"));
  }
  if (!smtp::IsPrintableUtf8(password)) {
    return absl::InvalidArgumentError("the password is no UTF-8, or has control characters");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MakeArgon2Line(absl::string_view password) {
  StartSodium();
  std::array<char, crypto_pwhash_STRBYTES> line{};
  if (crypto_pwhash_str(line.data(), password.data(), password.size(), kArgon2Passes,
                        size_t{kArgon2Kibibytes} * 1024) != 0) {
    return absl::ResourceExhaustedError("argon2id needs 19 MiB of memory, which are not there");
  }
  return std::string(line.data());
}

absl::StatusOr<std::string> MakeScramLine(HashKind hash, absl::string_view password,
                                          int iterations) {
  TURNPIKE_ASSIGN_OR_RETURN(std::string prepared, Prepare(password));
  std::string line = FormatScramVerifier(MakeScramVerifier(hash, prepared, Salt(), iterations));
  Wipe(prepared);
  return line;
}

std::string MakeCramMd5Line(absl::string_view password) {
  const CramMd5States states = MakeCramMd5States(password);
  return absl::StrCat("{CRAM-MD5}", absl::BytesToHexString(states.outer),
                      absl::BytesToHexString(states.inner));
}

}  // namespace turnpike::auth
