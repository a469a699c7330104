// Shows ThreadSanitizer where references to an absl::Status are given up: they are taken in our own
// code, where it sees that, but given up in Debian's Abseil, where it does not. Only in builds with
// --config=tsan.
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdint>

#include "absl/status/internal/status_internal.h"
#include "bazel/tsan/replace.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}

namespace turnpike::tsan {

// absl::Status::UnrefNonInlined. Bit 0 of `rep` marks a pointer.
TURNPIKE_REPLACE(void, UnrefStatus, "_ZN4absl7debian36Status15UnrefNonInlinedEm", uintptr_t rep) {
  auto* const shared = reinterpret_cast<absl::status_internal::StatusRep*>(rep - 1);
  if (!IsInLibrary(__builtin_return_address(0))) {
    if (shared->ref.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
    return;
  }
  // A library's own references are not seen: whether it may free the status is its business.
  __tsan_release(shared);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  RealUnrefStatus(rep);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

}  // namespace turnpike::tsan
