#include "services/common/smtp/reply.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kLineBytesMax = 512;  // with CRLF [RFC5321 4.5.3.1.5]

// A number of 1..3 digits without leading zeros.
bool ParseCodeNumber(absl::string_view text, uint16_t* value) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return false;
  *value = 0;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
    *value = static_cast<uint16_t>(*value * 10 + (c - '0'));
  }
  return true;
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
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('.', 3));
  if (parts.size() != 3) return std::nullopt;
  uint16_t kind = 0;
  EnhancedCode code;
  if (!ParseCodeNumber(parts[0], &kind) || !ParseCodeNumber(parts[1], &code.subject) ||
      !ParseCodeNumber(parts[2], &code.detail)) {
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

void Reply::AppendTo(std::string* out) const {
  // An enhanced code never goes with a 3xx [RFC2034 4].
  const bool has_enhanced = enhanced_.is_present() && !is_intermediate();
  absl::string_view rest = text_;
  bool is_last = false;
  while (!is_last) {
    const size_t line_end = rest.find('\n');
    is_last = line_end == absl::string_view::npos;
    const absl::string_view line = rest.substr(0, line_end);
    const size_t begin = out->size();
    absl::StrAppend(out, code_, is_last ? " " : "-");
    if (has_enhanced) {
      absl::StrAppend(out, enhanced_.kind, ".", enhanced_.subject, ".", enhanced_.detail, " ");
    }
    AppendPrintable(line.substr(0, kLineBytesMax - 2 - (out->size() - begin)), out);
    out->append("\r\n", 2);
    if (!is_last) rest.remove_prefix(line_end + 1);
  }
}

void Reply::AppendOneLineTo(std::string* out) const {
  Reply(code_, enhanced_, text_.substr(0, text_.find('\n'))).AppendTo(out);
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
