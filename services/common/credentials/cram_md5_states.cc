// OpenSSL 3 has no other way to MD5's inner state than its old functions.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "services/common/credentials/cram_md5_states.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace turnpike::auth {
namespace {

constexpr size_t kStateBytes = MD5_DIGEST_LENGTH;

void AppendWord(uint32_t word, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(word >> shift);
}

uint32_t ReadWord(absl::string_view bytes) {
  uint32_t word = 0;
  for (int i = 3; i >= 0; --i) word = word << 8 | static_cast<uint8_t>(bytes[i]);
  return word;
}

// MD5's state after one block of the key, xored with `pad`. [RFC2104 2]
std::string StateAfterKey(absl::string_view key, uint8_t pad) {
  std::array<uint8_t, MD5_CBLOCK> block;
  for (size_t i = 0; i < block.size(); ++i) {
    block[i] = pad ^ (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
  }
  MD5_CTX context;
  MD5_Init(&context);
  MD5_Update(&context, block.data(), block.size());
  std::string state;
  for (uint32_t word : {context.A, context.B, context.C, context.D}) AppendWord(word, state);
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(&context, sizeof(context));
  return state;
}

// MD5 of a key block, by the state after it, and `text`.
std::array<uint8_t, MD5_DIGEST_LENGTH> FinishFrom(absl::string_view state, absl::string_view text) {
  MD5_CTX context;
  MD5_Init(&context);
  context.A = ReadWord(state.substr(0));
  context.B = ReadWord(state.substr(4));
  context.C = ReadWord(state.substr(8));
  context.D = ReadWord(state.substr(12));
  context.Nl = MD5_CBLOCK * 8;  // bits so far
  MD5_Update(&context, text.data(), text.size());
  std::array<uint8_t, MD5_DIGEST_LENGTH> digest;
  MD5_Final(digest.data(), &context);
  return digest;
}

}  // namespace

CramMd5States MakeCramMd5States(absl::string_view password) {
  std::array<uint8_t, MD5_DIGEST_LENGTH> digest;
  if (password.size() > MD5_CBLOCK) {
    MD5(reinterpret_cast<const uint8_t*>(password.data()), password.size(), digest.data());
    password = {reinterpret_cast<const char*>(digest.data()), digest.size()};
  }
  return {.outer = StateAfterKey(password, 0x5c), .inner = StateAfterKey(password, 0x36)};
}

std::optional<CramMd5States> ParseCramMd5States(absl::string_view hex) {
  if (hex.size() != 4 * kStateBytes ||
      !std::all_of(hex.begin(), hex.end(), [](char c) { return absl::ascii_isxdigit(c); })) {
    return std::nullopt;
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  return CramMd5States{.outer = bytes.substr(0, kStateBytes), .inner = bytes.substr(kStateBytes)};
}

std::string CramMd5Digest(const CramMd5States& states, absl::string_view text) {
  const auto inner = FinishFrom(states.inner, text);
  const auto digest =
      FinishFrom(states.outer, {reinterpret_cast<const char*>(inner.data()), inner.size()});
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace turnpike::auth
