// The little of UTF-8 that mail addresses need.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_UTF8_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_UTF8_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

bool IsAscii(absl::string_view text);

// Removes one code point from the beginning of `*text`, which is not empty. Nothing for overlong
// forms, surrogates, values past U+10FFFF and cut sequences. [RFC3629 3]
std::optional<char32_t> ConsumeUtf8(absl::string_view* text);

void AppendUtf8(char32_t code_point, std::string* out);

// C0, DEL, C1 (with NEL) and the line and paragraph separators: whatever some reader of the text
// may take for the end of a line.
bool IsControl(char32_t code_point);

// True for valid UTF-8 without anything that IsControl.
bool IsPrintableUtf8(absl::string_view text);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_UTF8_H_
