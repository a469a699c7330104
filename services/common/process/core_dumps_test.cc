#include "services/common/process/core_dumps.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace turnpike::process {
namespace {

TEST(CoreDumpsTest, CrashLeavesNoCore) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ForbidCoreDumps();
    rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_cur != 0 || limit.rlim_max != 0) _exit(1);
    signal(SIGQUIT, SIG_DFL);
    raise(SIGQUIT);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace turnpike::process
