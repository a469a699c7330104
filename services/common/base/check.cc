#include "services/common/base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::base {

void CheckFailed(const char* file, int line, const char* condition, absl::string_view message) {
  const std::string text = absl::StrCat(file, ":", line, ": check failed: ", condition,
                                        message.empty() ? "" : ": ", message, "\n");
  // One write, so that lines of several threads do not mix. Nothing can be done about an error.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace turnpike::base
