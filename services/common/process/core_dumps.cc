#include "services/common/process/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace turnpike::process {

void ForbidCoreDumps() {
  // The limit alone does not hold where core_pattern names a program.
  constexpr rlimit kNone = {0, 0};
  setrlimit(RLIMIT_CORE, &kNone);
#ifndef __SANITIZE_ADDRESS__  // which looks for leaks as a debugger does
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace turnpike::process
