#include "services/turnpikectl/core/text.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::ctl {
namespace {

// [UAX9] Embeddings, overrides, isolates and marks: what follows would be read in another order.
bool TurnsDirection(char32_t code_point) {
  return code_point == 0x061c || code_point == 0x200e || code_point == 0x200f ||
         (code_point >= 0x202a && code_point <= 0x202e) ||
         (code_point >= 0x2066 && code_point <= 0x2069);
}

std::string Escape(absl::string_view text, bool keep_lines) {
  std::string out;
  while (!text.empty()) {
    const absl::string_view before = text;
    const std::optional<char32_t> code_point = smtp::ConsumeUtf8(&text);
    if (!code_point) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(before.front()));
      text.remove_prefix(1);
    } else if (keep_lines && (*code_point == '\n' || *code_point == '\t')) {
      out += static_cast<char>(*code_point);
    } else if (keep_lines && *code_point == '\r' && !text.empty() && text.front() == '\n') {
      continue;
    } else if (*code_point == '\n') {
      out += "\\n";
    } else if (smtp::IsControl(*code_point) || TurnsDirection(*code_point)) {
      out += *code_point < 0x100 ? absl::StrFormat("\\x%02x", static_cast<unsigned>(*code_point))
                                 : absl::StrFormat("\\u{%x}", static_cast<unsigned>(*code_point));
    } else {
      absl::StrAppend(&out, before.substr(0, before.size() - text.size()));
    }
  }
  return out;
}

bool IsContinuation(char octet) { return (static_cast<unsigned char>(octet) & 0xc0u) == 0x80; }

}  // namespace

std::string Printable(absl::string_view text) { return Escape(text, /*keep_lines=*/false); }

std::string PrintableLines(absl::string_view text) { return Escape(text, /*keep_lines=*/true); }

size_t Width(absl::string_view text) {
  size_t width = 0;
  for (const char octet : text) width += IsContinuation(octet) ? 0 : 1;
  return width;
}

std::string CutTo(size_t width, std::string text) {
  if (Width(text) <= width) return text;
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); ++end) {
    if (!IsContinuation(text[end]) && ++seen == width) break;
  }
  text.resize(end);
  return text + "…";
}

std::string AgeText(absl::Duration age) {
  struct Unit {
    absl::Duration length;
    char name;
    absl::Duration last;  // the smallest unit that is shown beside it
  };
  // Seconds besides minutes say nothing that anybody needs.
  constexpr std::array<Unit, 4> kUnits = {{{absl::Hours(24), 'd', absl::Hours(1)},
                                           {absl::Hours(1), 'h', absl::Minutes(1)},
                                           {absl::Minutes(1), 'm', absl::Minutes(1)},
                                           {absl::Seconds(1), 's', absl::Seconds(1)}}};
  for (size_t i = 0; i < kUnits.size(); ++i) {
    const Unit& unit = kUnits[i];
    // What rounds to a whole unit of a kind is shown as one: 59m40s is `1h`.
    const absl::Duration step = i + 1 < kUnits.size() ? kUnits[i + 1].last : unit.last;
    if (absl::Floor(age + step / 2, step) < unit.length) continue;
    absl::Duration rest = absl::Floor(age + unit.last / 2, unit.last);
    std::string text =
        absl::StrCat(absl::IDivDuration(rest, unit.length, &rest), std::string(1, unit.name));
    if (rest < unit.last) return text;
    return absl::StrCat(text, absl::IDivDuration(rest, unit.last, &rest),
                        std::string(1, kUnits[i + 1].name));
  }
  return "0s";
}

std::string RoughAgeText(absl::Duration age) {
  if (age < absl::Minutes(1)) return "<1m";
  return AgeText(absl::Floor(age, absl::Minutes(1)));
}

std::string ReleaseText(int64_t released, int64_t pending) {
  std::string text = absl::StrCat(released, " released");
  if (pending == 0) return text;
  return absl::StrCat(text, ", ", pending, " released before ", pending == 1 ? "is" : "are",
                      " due again");
}

std::string BytesText(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes);
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f%s", amount, kUnits[unit]);
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string ReplyText(const Value& reply) {
  if (reply.is_nothing() || reply.At("code").number() == 0) return "";
  std::string out = reply.At("code").digits();
  for (const char* part : {"enhanced_code", "text"}) {
    const Value value = reply.At(part);
    if (value.text() != nullptr && !value.text()->empty()) {
      absl::StrAppend(&out, " ", Printable(*value.text()));
    }
  }
  return out;
}

}  // namespace turnpike::ctl
