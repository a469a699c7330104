// Makes words of others fit to stand in a message of ours.
#ifndef TURNPIKE_SERVICES_COMMON_DSN_TEXT_H_
#define TURNPIKE_SERVICES_COMMON_DSN_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::dsn {

// `text` on one line: line ends become spaces, other controls `?`, as do octets above 0x7e unless
// `allow_utf8` and they are printable UTF-8. Cut at `bytes_max`, between characters.
std::string CleanLine(absl::string_view text, bool allow_utf8, size_t bytes_max = 2048);

// Appends `Name: value` CRLF, folded at spaces where a line gets longer than 78 octets; a word
// longer than 900 is cut. `value` is a clean line. [RFC5322 2.2.3]
void AppendField(absl::string_view name, absl::string_view value, std::string* out);

// Appends `text` as paragraph lines of at most 76 octets where spaces allow, each with CRLF, the
// second and later ones after `indent`.
void AppendWrapped(absl::string_view text, absl::string_view indent, std::string* out);

// The header section of a message, up to and without its empty line, ready to be shown in a
// report: lines that end in CRLF and have at most 998 octets, no other CR, LF or NUL; cut at a line
// end before `bytes_max`.
std::string CleanHeader(absl::string_view content, size_t bytes_max);

// Whether `content` can stand in a message as it is: no line above 998 octets, no CR or LF alone,
// no NUL. [RFC5321 4.5.3.1.6]
bool IsSendable(absl::string_view content);

}  // namespace turnpike::dsn

#endif  // TURNPIKE_SERVICES_COMMON_DSN_TEXT_H_
