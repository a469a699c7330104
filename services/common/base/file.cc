#include "services/common/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace turnpike::base {
namespace {

absl::Status ErrnoStatus(const std::string& path, int error) {
  const std::string text = absl::StrCat(path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(path, errno);
  const absl::Cleanup close_fd = [fd] { close(fd); };

  // Files in /proc have no size, so read until the end; one octet over the limit tells enough.
  std::string content;
  size_t used = 0;
  while (true) {
    if (used == content.size()) {
      content.resize(std::min(std::max<size_t>(4096, 2 * used), bytes_max + 1));
    }
    const ssize_t count = read(fd, content.data() + used, content.size() - used);
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(path, errno);
    }
    if (count == 0) break;
    used += static_cast<size_t>(count);
    if (used > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": larger than the ", bytes_max, " octets it may have"));
    }
  }
  content.resize(used);
  return content;
}

}  // namespace turnpike::base
