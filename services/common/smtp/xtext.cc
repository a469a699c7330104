#include "services/common/smtp/xtext.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// The value of an upper-case hex digit, or -1. [RFC3461 4] allows no lower case.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsXchar(char c) { return c > ' ' && c <= '~' && c != '+' && c != '='; }

// QCHAR of [RFC6533 3].
bool IsQchar(char c) { return IsXchar(c) && c != '\\'; }

// The code point of `\x{HEX}` at the front of `*text`, removed from there.
std::optional<char32_t> ConsumeEscape(absl::string_view* text) {
  if (!absl::ConsumePrefix(text, "\\x{")) return std::nullopt;
  const size_t close = text->find('}');
  if (close == absl::string_view::npos || close < 2 || close > 6) return std::nullopt;
  char32_t value = 0;
  for (char c : text->substr(0, close)) {
    const int digit = HexValue(absl::ascii_toupper(c));
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<char32_t>(digit);
  }
  text->remove_prefix(close + 1);
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> DecodeXtext(absl::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '+') {
      if (!IsXchar(text[i])) return std::nullopt;
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexValue(text[i + 1]);
    const int low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const int value = high * 16 + low;
    if (value < 0x20 || value > 0x7e) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

std::string EncodeXtext(absl::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    if (IsXchar(c)) {
      encoded += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      encoded += '+';
      encoded += kHexDigits[octet >> 4];
      encoded += kHexDigits[octet & 0x0f];
    }
  }
  return encoded;
}

std::optional<std::string> DecodeUtf8AddressXtext(absl::string_view text, bool allow_utf8) {
  std::string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    std::optional<char32_t> code_point;
    if (text.front() == '\\') {
      code_point = ConsumeEscape(&text);
    } else if (IsQchar(text.front()) ||
               (allow_utf8 && static_cast<unsigned char>(text.front()) >= 0x80)) {
      code_point = ConsumeUtf8(&text);
    }
    if (!code_point || IsControl(*code_point)) return std::nullopt;
    AppendUtf8(*code_point, &decoded);
  }
  return decoded;
}

std::string EncodeUtf8AddressXtext(absl::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  while (!text.empty()) {
    if (IsQchar(text.front())) {
      encoded += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::optional<char32_t> code_point = ConsumeUtf8(&text);
    if (!code_point) break;
    absl::StrAppend(&encoded, "\\x{",
                    absl::AsciiStrToUpper(absl::StrCat(absl::Hex(*code_point, absl::kZeroPad2))),
                    "}");
  }
  return encoded;
}

}  // namespace turnpike::smtp
