// Tells ThreadSanitizer of memory files' descriptors. It does not know memfd_create, and is told to
// ignore what gRPC does: a number that a connection had which gRPC has closed would be the
// connection's still. Only in builds with --config=tsan.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bazel/tsan/replace.h"

namespace turnpike::tsan {

TURNPIKE_REPLACE(int, CreateMemoryFile, "memfd_create", const char* name, unsigned flags) {
  const int file = RealCreateMemoryFile(name, flags);
  if (file < 0) return file;
  // The file takes the place of something that the sanitizer knows. It does not see how.
  const int known = eventfd(0, EFD_CLOEXEC);
  if (known >= 0) syscall(SYS_dup3, file, known, (flags & MFD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  syscall(SYS_close, file);
  return known;
}

}  // namespace turnpike::tsan
