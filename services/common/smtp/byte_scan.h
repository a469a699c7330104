// Looking through content at the speed of memory: most of what passes is in order, and a block of
// it is told to be so by a handful of vector instructions.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_BYTE_SCAN_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_BYTE_SCAN_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

// The position of the first LF at or after `begin` that a dot follows; npos if there is none.
size_t FindLfDot(absl::string_view bytes, size_t begin);

// True if there is no NUL, a LF stands behind each CR but one at the end, and a CR before each LF
// but one at the beginning.
bool IsCleanText(absl::string_view bytes);

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_BYTE_SCAN_H_
