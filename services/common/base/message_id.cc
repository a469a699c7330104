#include "services/common/base/message_id.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/base/random.h"

namespace turnpike::base {
namespace {

constexpr size_t kTextBytes = 36;
constexpr size_t kTimeBytes = 6;  // milliseconds since 1970, most significant first

// Whether a hyphen stands at this place of the text. [RFC9562 4]
bool IsHyphenPlace(size_t index) { return index == 8 || index == 13 || index == 18 || index == 23; }

std::optional<uint8_t> HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

MessageId MessageId::Generate(absl::Time now) {
  MessageId id;
  FillRandom(absl::MakeSpan(id.bytes_).subspan(kTimeBytes));
  // Times before 1970 do not occur; clamped so that they would not sort last.
  const int64_t milliseconds = std::max<int64_t>(0, absl::ToUnixMillis(now));
  for (size_t i = 0; i < kTimeBytes; ++i) {
    id.bytes_[i] = static_cast<uint8_t>(milliseconds >> (8 * (kTimeBytes - 1 - i)));
  }
  id.bytes_[6] = 0x70 | (id.bytes_[6] & 0x0f);  // version 7
  id.bytes_[8] = 0x80 | (id.bytes_[8] & 0x3f);  // variant of RFC 9562
  return id;
}

absl::StatusOr<MessageId> MessageId::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kBytes) {
    return absl::InvalidArgumentError("a message id has 16 octets");
  }
  MessageId id;
  std::copy(bytes.begin(), bytes.end(), id.bytes_.begin());
  return id;
}

absl::StatusOr<MessageId> MessageId::FromString(absl::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(
      "a message id is written like 0190163d-8694-739b-aea5-966c26f8ad91");
  if (text.size() != kTextBytes) return error;
  MessageId id;
  size_t nibble = 0;
  for (size_t i = 0; i < kTextBytes; ++i) {
    if (IsHyphenPlace(i)) {
      if (text[i] != '-') return error;
      continue;
    }
    const std::optional<uint8_t> value = HexValue(text[i]);
    if (!value) return error;
    id.bytes_[nibble / 2] |= nibble % 2 == 0 ? *value << 4 : *value;
    ++nibble;
  }
  return id;
}

std::string MessageId::ToString() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kTextBytes, '-');
  size_t nibble = 0;
  for (size_t i = 0; i < kTextBytes; ++i) {
    if (IsHyphenPlace(i)) continue;
    const uint8_t octet = bytes_[nibble / 2];
    text[i] = kDigits[nibble % 2 == 0 ? octet >> 4 : octet & 0x0f];
    ++nibble;
  }
  return text;
}

absl::Time MessageId::time() const {
  int64_t milliseconds = 0;
  for (size_t i = 0; i < kTimeBytes; ++i) milliseconds = milliseconds << 8 | bytes_[i];
  return absl::FromUnixMillis(milliseconds);
}

}  // namespace turnpike::base
