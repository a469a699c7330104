#include "services/common/dsn/text.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::dsn {
namespace {

constexpr size_t kLineBytesMax = 998;
constexpr size_t kWordBytesMax = 900;

// Appends words of `text` with line breaks before those that would pass `width`.
void AppendFolded(absl::string_view text, size_t column, size_t width, absl::string_view line_start,
                  std::string* out) {
  bool is_first = true;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    word = word.substr(0, kWordBytesMax);
    if (!is_first) {
      if (column + 1 + word.size() > width) {
        absl::StrAppend(out, "\r\n", line_start);
        column = line_start.size();
      } else {
        out->push_back(' ');
        ++column;
      }
    }
    absl::StrAppend(out, word);
    column += word.size();
    is_first = false;
  }
}

}  // namespace

std::string CleanLine(absl::string_view text, bool allow_utf8, size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const absl::string_view before = text;
    const std::optional<char32_t> code_point = smtp::ConsumeUtf8(&text);
    absl::string_view piece = before.substr(0, before.size() - text.size());
    if (!code_point) {
      text = before.substr(1);
      piece = "?";
    } else if (*code_point == '\n' || *code_point == '\r' || *code_point == '\t') {
      piece = " ";
    } else if (smtp::IsControl(*code_point) || (*code_point >= 0x7f && !allow_utf8)) {
      piece = "?";
    }
    if (out.size() + piece.size() > bytes_max) break;
    absl::StrAppend(&out, piece);
  }
  return out;
}

void AppendField(absl::string_view name, absl::string_view value, std::string* out) {
  absl::StrAppend(out, name, ": ");
  // One blank, which stands for the one that was there. [RFC5322 2.2.3]
  AppendFolded(value, name.size() + 2, 78, " ", out);
  absl::StrAppend(out, "\r\n");
}

void AppendWrapped(absl::string_view text, absl::string_view indent, std::string* out) {
  AppendFolded(text, 0, 76, indent, out);
  absl::StrAppend(out, "\r\n");
}

std::string CleanHeader(absl::string_view content, size_t bytes_max) {
  std::string out;
  while (!content.empty()) {
    const size_t end = content.find('\n');
    absl::string_view line = content.substr(0, end);
    content.remove_prefix(end == absl::string_view::npos ? content.size() : end + 1);
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) break;
    line = line.substr(0, kLineBytesMax);
    if (out.size() + line.size() + 2 > bytes_max) break;
    for (char c : line) out.push_back(c == '\r' || c == '\0' ? '?' : c);
    absl::StrAppend(&out, "\r\n");
  }
  return out;
}

bool IsSendable(absl::string_view content) {
  while (!content.empty()) {
    const size_t end = content.find("\r\n");
    const absl::string_view line = content.substr(0, end);
    if (line.size() > kLineBytesMax) return false;
    const bool has_bad = std::any_of(line.begin(), line.end(),
                                     [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    if (has_bad) return false;
    content.remove_prefix(end == absl::string_view::npos ? content.size() : end + 2);
  }
  return true;
}

}  // namespace turnpike::dsn
