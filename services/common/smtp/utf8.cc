#include "services/common/smtp/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace turnpike::smtp {

bool IsAscii(absl::string_view text) {
  const char* data = text.data();
  size_t left = text.size();
  uint64_t seen = 0;
  for (; left >= sizeof(uint64_t); data += sizeof(uint64_t), left -= sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, data, sizeof(word));
    seen |= word;
  }
  for (; left > 0; ++data, --left) seen |= static_cast<unsigned char>(*data);
  return (seen & 0x8080808080808080u) == 0;
}

std::optional<char32_t> ConsumeUtf8(absl::string_view* text) {
  const auto lead = static_cast<unsigned char>(text->front());
  size_t length = 1;
  char32_t value = lead;
  char32_t value_min = 0;
  if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4, value = lead & 0x07u, value_min = 0x10000;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    length = 3, value = lead & 0x0fu, value_min = 0x800;
  } else if (lead >= 0xc2 && lead < 0xe0) {
    length = 2, value = lead & 0x1fu, value_min = 0x80;
  } else if (lead >= 0x80) {
    return std::nullopt;
  }
  if (text->size() < length) return std::nullopt;
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>((*text)[i]);
    if ((next & 0xc0u) != 0x80) return std::nullopt;
    value = (value << 6) | (next & 0x3fu);
  }
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < value_min || value > 0x10ffff || is_surrogate) return std::nullopt;
  text->remove_prefix(length);
  return value;
}

void AppendUtf8(char32_t code_point, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80u | ((code_point >> shift) & 0x3fu)));
  };
  if (code_point < 0x80) {
    out->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out->push_back(static_cast<char>(0xc0u | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    out->push_back(static_cast<char>(0xe0u | (code_point >> 12)));
    tail(6), tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0u | (code_point >> 18)));
    tail(12), tail(6), tail(0);
  }
}

bool IsControl(char32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) || code_point == 0x2028 ||
         code_point == 0x2029;
}

bool IsPrintableUtf8(absl::string_view text) {
  while (!text.empty()) {
    const std::optional<char32_t> code_point = ConsumeUtf8(&text);
    if (!code_point || IsControl(*code_point)) return false;
  }
  return true;
}

}  // namespace turnpike::smtp
