#include "services/common/rpc/library_log.h"

#include <grpc/support/log.h>

#include <cstdint>
#include <utility>

#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/observe/log.h"

namespace turnpike::rpc {
namespace {

constexpr int64_t kIntervalNanoseconds = 1'000'000'000;

ABSL_CONST_INIT absl::Mutex mu(absl::kConstInit);
int64_t next_line ABSL_GUARDED_BY(mu) = 0;  // in nanoseconds since 1970
uint64_t left_out ABSL_GUARDED_BY(mu) = 0;

void OnMessage(gpr_log_func_args* args) {
  uint64_t before = 0;
  {
    absl::MutexLock lock(&mu);
    const int64_t now = absl::GetCurrentTimeNanos();
    if (now < next_line) {
      ++left_out;
      return;
    }
    next_line = now + kIntervalNanoseconds;
    before = std::exchange(left_out, 0);
  }
  TURNPIKE_LOG(kWarning, "gRPC reports an error",
               {{"detail", args->message}, {"left_out_before", before}});
}

}  // namespace

void TakeLibraryLog() {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function(&OnMessage);
}

}  // namespace turnpike::rpc
