#include "services/common/observe/json.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace turnpike::observe {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD
constexpr char kEllipsis[] = "\xe2\x80\xa6";     // U+2026

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// The octets of the well-formed UTF-8 character at the beginning of `text`; 0 if there is none.
// Overlong forms, surrogates and values above U+10FFFF are not well formed. [RFC3629 4]
size_t CharacterSize(absl::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  size_t size;
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
  if (first < 0x80) {
    return 1;
  } else if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) second_min = 0xa0;
    if (first == 0xed) second_max = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) second_min = 0x90;
    if (first == 0xf4) second_max = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < size) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  if (second < second_min || second > second_max) return 0;
  for (size_t i = 2; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return size;
}

void AppendAscii(char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (c < 0x20 || c == 0x7f) {
    absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
  } else {
    out += c;
  }
}

}  // namespace

void AppendJsonString(absl::string_view text, size_t bytes_max, std::string& out) {
  const bool is_cut = text.size() > bytes_max;
  out += '"';
  size_t i = 0;
  while (i < text.size()) {
    const size_t size = CharacterSize(text.substr(i));
    if (is_cut && i + (size == 0 ? 1 : size) > bytes_max) break;
    if (size == 0) {
      out += kReplacement;
      ++i;
      continue;
    }
    if (size == 1) {
      AppendAscii(text[i], out);
    } else if (size == 2 && text[i] == '\xc2' && static_cast<uint8_t>(text[i + 1]) < 0xa0) {
      // U+0080 to U+009F steer some terminals.
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint8_t>(text[i + 1]));
    } else {
      out.append(text.data() + i, size);
    }
    i += size;
  }
  if (is_cut) out += kEllipsis;
  out += '"';
}

}  // namespace turnpike::observe
