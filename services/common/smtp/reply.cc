#include "services/common/smtp/reply.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kLineBytesMax = 512;  // with CRLF [RFC5321 4.5.3.1.5]

// Removes a number of 1..3 digits without leading zeros from the front of `*text`.
bool ConsumeCodeNumber(absl::string_view* text, uint16_t* value) {
  size_t digits = 0;
  *value = 0;
  while (digits < text->size() && absl::ascii_isdigit((*text)[digits])) {
    if (digits == 3 || (digits == 1 && text->front() == '0')) return false;
    *value = static_cast<uint16_t>(*value * 10 + ((*text)[digits++] - '0'));
  }
  text->remove_prefix(digits);
  return digits > 0;
}

void AppendPrintable(absl::string_view text, std::string* out) {
  const size_t begin = out->size();
  out->append(text.data(), text.size());
  for (size_t i = begin; i < out->size(); ++i) {
    char& c = (*out)[i];
    if (c < ' ' || c > '~') c = '?';
  }
}

}  // namespace

std::optional<EnhancedCode> EnhancedCode::Parse(absl::string_view text) {
  uint16_t kind = 0;
  EnhancedCode code;
  if (!ConsumeCodeNumber(&text, &kind) || !absl::ConsumePrefix(&text, ".") ||
      !ConsumeCodeNumber(&text, &code.subject) || !absl::ConsumePrefix(&text, ".") ||
      !ConsumeCodeNumber(&text, &code.detail) || !text.empty()) {
    return std::nullopt;
  }
  if (kind != 2 && kind != 4 && kind != 5) return std::nullopt;
  code.kind = static_cast<uint8_t>(kind);
  return code;
}

std::string EnhancedCode::ToString() const {
  return is_present() ? absl::StrCat(kind, ".", subject, ".", detail) : std::string();
}

Reply::Reply(const ReplyCode& code) : Reply(code, code.text) {}

Reply::Reply(const ReplyCode& code, absl::string_view text)
    : code_(code.code), enhanced_(code.enhanced), text_(text) {}

std::vector<absl::string_view> Reply::lines() const { return absl::StrSplit(text_, '\n'); }

void ReplyCode::AppendTo(std::string* out) const {
  char prefix[sizeof("250-5.999.999 ")];
  size_t prefix_bytes = 0;
  const auto add_number = [&](uint16_t number) {
    if (number >= 100) prefix[prefix_bytes++] = static_cast<char>('0' + number / 100 % 10);
    if (number >= 10) prefix[prefix_bytes++] = static_cast<char>('0' + number / 10 % 10);
    prefix[prefix_bytes++] = static_cast<char>('0' + number % 10);
  };
  add_number(code);
  prefix[prefix_bytes++] = '-';
  // An enhanced code never goes with a 3xx [RFC2034 4].
  if (enhanced.is_present() && !is_intermediate()) {
    add_number(enhanced.kind);
    prefix[prefix_bytes++] = '.';
    add_number(enhanced.subject);
    prefix[prefix_bytes++] = '.';
    add_number(enhanced.detail);
    prefix[prefix_bytes++] = ' ';
  }
  absl::string_view rest = text;
  for (bool is_last = false; !is_last;) {
    const size_t line_end = rest.find('\n');
    is_last = line_end == absl::string_view::npos;
    if (is_last) prefix[3] = ' ';
    out->append(prefix, prefix_bytes);
    AppendPrintable(rest.substr(0, line_end).substr(0, kLineBytesMax - 2 - prefix_bytes), out);
    out->append("\r\n", 2);
    if (!is_last) rest.remove_prefix(line_end + 1);
  }
}

void Reply::AppendOneLineTo(std::string* out) const {
  const absl::string_view text = text_;
  ReplyCode{code_, enhanced_, text.substr(0, text.find('\n'))}.AppendTo(out);
}

std::string Reply::ToString() const {
  std::string text = absl::StrCat(code_, " ");
  if (enhanced_.is_present()) absl::StrAppend(&text, enhanced_.ToString(), " ");
  for (absl::string_view line : lines()) {
    AppendPrintable(line, &text);
    text += '/';
  }
  text.pop_back();
  return text;
}

}  // namespace turnpike::smtp
