#include "services/common/rpc/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace turnpike::rpc {
namespace {

absl::Status Failed() {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot make a file in memory: ", std::strerror(errno)));
}

// A descriptor of a new file that holds `content`.
absl::StatusOr<int> Make(absl::string_view content) {
  const int descriptor = memfd_create("turnpike", MFD_CLOEXEC);
  if (descriptor < 0) return Failed();
  while (!content.empty()) {
    const ssize_t written = write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const absl::Status status = Failed();
      close(descriptor);
      return status;
    }
    content.remove_prefix(written);
  }
  return descriptor;
}

}  // namespace

absl::StatusOr<MemoryFile> MemoryFile::Create(absl::string_view content) {
  const absl::StatusOr<int> descriptor = Make(content);
  if (!descriptor.ok()) return descriptor.status();
  return MemoryFile(*descriptor);
}

MemoryFile::MemoryFile(MemoryFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

MemoryFile::~MemoryFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/self/fd/", descriptor_); }

absl::Status MemoryFile::Replace(absl::string_view content) {
  const absl::StatusOr<int> descriptor = Make(content);
  if (!descriptor.ok()) return descriptor.status();
  struct stat before = {};
  struct stat now = {};
  absl::Status status;
  if (fstat(descriptor_, &before) != 0 || fstat(*descriptor, &now) != 0) {
    status = Failed();
  } else {
    const timespec changed = {.tv_sec = std::max(now.st_mtim.tv_sec, before.st_mtim.tv_sec + 1)};
    const timespec times[] = {changed, changed};
    if (futimens(*descriptor, times) != 0 || dup3(*descriptor, descriptor_, O_CLOEXEC) < 0) {
      status = Failed();
    }
  }
  close(*descriptor);
  return status;
}

}  // namespace turnpike::rpc
