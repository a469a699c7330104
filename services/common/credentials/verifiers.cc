#include "services/common/credentials/verifiers.h"

#include <sodium.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

constexpr uint32_t kArgon2KibibytesMax = 1024 * 1024;
constexpr uint32_t kArgon2PassesMax = 1000;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed ", what, " verifier"));
}

// `m=65536` as its number.
std::optional<uint32_t> ReadParameter(absl::string_view text, absl::string_view name) {
  uint32_t value = 0;
  if (!absl::ConsumePrefix(&text, name) || !absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

// libsodium judges the rest when it is used; what it must never get is a cost that stops us.
absl::StatusOr<std::string> ParseArgon2(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '$');
  if (text.size() >= crypto_pwhash_STRBYTES || parts.size() != 6) return Malformed("argon2");
  const std::vector<absl::string_view> cost = absl::StrSplit(parts[3], ',');
  if (cost.size() != 3) return Malformed("argon2");
  const std::optional<uint32_t> kibibytes = ReadParameter(cost[0], "m=");
  const std::optional<uint32_t> passes = ReadParameter(cost[1], "t=");
  const std::optional<uint32_t> lanes = ReadParameter(cost[2], "p=");
  if (!kibibytes || !passes || !lanes) return Malformed("argon2");
  if (*kibibytes > kArgon2KibibytesMax || *passes > kArgon2PassesMax) {
    return absl::InvalidArgumentError("argon2 verifier costs too much");
  }
  const std::string phc(text);
  // -1: it is no argon2 string at all.
  if (crypto_pwhash_str_needs_rehash(phc.c_str(), crypto_pwhash_OPSLIMIT_MIN,
                                     crypto_pwhash_MEMLIMIT_MIN) < 0) {
    return Malformed("argon2");
  }
  return phc;
}

absl::string_view ScramName(HashKind hash) {
  return hash == HashKind::kSha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
}

// `4096:salt$StoredKey:ServerKey`
absl::StatusOr<ScramVerifier> ParseScram(HashKind hash, absl::string_view text) {
  const std::vector<absl::string_view> halves = absl::StrSplit(text, '$');
  if (halves.size() != 2) return Malformed(ScramName(hash));
  const std::vector<absl::string_view> making = absl::StrSplit(halves[0], ':');
  const std::vector<absl::string_view> keys = absl::StrSplit(halves[1], ':');
  if (making.size() != 2 || keys.size() != 2) return Malformed(ScramName(hash));
  ScramVerifier verifier{.hash = hash};
  std::optional<std::string> salt = FromBase64(making[1]);
  std::optional<std::string> stored_key = FromBase64(keys[0]);
  std::optional<std::string> server_key = FromBase64(keys[1]);
  if (!absl::SimpleAtoi(making[0], &verifier.iterations) || !salt || salt->empty() ||
      salt->size() > 64 || !stored_key || stored_key->size() != HashBytes(hash) || !server_key ||
      server_key->size() != HashBytes(hash)) {
    return Malformed(ScramName(hash));
  }
  if (verifier.iterations < kScramIterationsMin || verifier.iterations > kScramIterationsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(ScramName(hash), " verifier needs 4096 to 10000000 iterations"));
  }
  verifier.salt = *std::move(salt);
  verifier.stored_key = *std::move(stored_key);
  verifier.server_key = *std::move(server_key);
  return verifier;
}

template <typename T>
absl::Status SetOnce(T value, std::optional<T>& slot) {
  if (slot.has_value()) return absl::InvalidArgumentError("two verifiers of one kind");
  slot = std::move(value);
  return absl::OkStatus();
}

absl::Status ParseLine(absl::string_view line, Verifiers& verifiers) {
  if (absl::ConsumePrefix(&line, "{PLAIN}")) {
    if (line.empty()) return absl::InvalidArgumentError("empty password");
    if (line.size() > kPasswordBytesMax) return absl::InvalidArgumentError("password too long");
    return SetOnce(std::string(line), verifiers.password);
  }
  if (absl::ConsumePrefix(&line, "{CRAM-MD5}")) {
    std::optional<CramMd5States> states = ParseCramMd5States(line);
    if (!states) return Malformed("CRAM-MD5");
    return SetOnce(*std::move(states), verifiers.cram_md5);
  }
  if (absl::ConsumePrefix(&line, "SCRAM-SHA-256$")) {
    TURNPIKE_ASSIGN_OR_RETURN(ScramVerifier scram, ParseScram(HashKind::kSha256, line));
    return SetOnce(std::move(scram), verifiers.scram_sha256);
  }
  if (absl::ConsumePrefix(&line, "SCRAM-SHA-1$")) {
    TURNPIKE_ASSIGN_OR_RETURN(ScramVerifier scram, ParseScram(HashKind::kSha1, line));
    return SetOnce(std::move(scram), verifiers.scram_sha1);
  }
  if (absl::StartsWith(line, "$argon2id$") || absl::StartsWith(line, "$argon2i$")) {
    TURNPIKE_ASSIGN_OR_RETURN(std::string argon2, ParseArgon2(line));
    return SetOnce(std::move(argon2), verifiers.argon2);
  }
  return absl::InvalidArgumentError(
      "unknown kind of verifier; write {PLAIN}, $argon2id$, SCRAM-SHA-256$, SCRAM-SHA-1$ or "
      "{CRAM-MD5}");
}

}  // namespace

ScramVerifier MakeScramVerifier(HashKind hash, absl::string_view password, std::string salt,
                                int iterations) {
  std::string salted = Pbkdf2(hash, password, salt, iterations);
  std::string client_key = Hmac(hash, salted, "Client Key");
  ScramVerifier verifier{.hash = hash,
                         .iterations = iterations,
                         .salt = std::move(salt),
                         .stored_key = Hash(hash, client_key),
                         .server_key = Hmac(hash, salted, "Server Key")};
  Wipe(client_key);
  Wipe(salted);
  return verifier;
}

std::string FormatScramVerifier(const ScramVerifier& verifier) {
  return absl::StrCat(ScramName(verifier.hash), "$", verifier.iterations, ":",
                      ToBase64(verifier.salt), "$", ToBase64(verifier.stored_key), ":",
                      ToBase64(verifier.server_key));
}

absl::StatusOr<Verifiers> ParseVerifiers(absl::string_view text) {
  Verifiers verifiers;
  bool has_any = false;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    TURNPIKE_RETURN_IF_ERROR(ParseLine(line, verifiers));
    has_any = true;
  }
  if (!has_any) return absl::InvalidArgumentError("no verifier");
  if (verifiers.password.has_value() && !verifiers.cram_md5.has_value()) {
    verifiers.cram_md5 = MakeCramMd5States(*verifiers.password);
  }
  return verifiers;
}

}  // namespace turnpike::auth
