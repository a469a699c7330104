// Broken invariants end the process: a restart is cheap and the spool is durable.
//
//   TURNPIKE_CHECK(lease.token > 0);
//   TURNPIKE_CHECK(queue.empty(), absl::StrCat(queue.size(), " left"));
//
// Never for what a peer, a file or an operator can cause: those are errors to be handled. On in
// every build. The message is evaluated only when the condition is false.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_CHECK_H_
#define TURNPIKE_SERVICES_COMMON_BASE_CHECK_H_

#include "absl/base/optimization.h"
#include "absl/strings/string_view.h"

namespace turnpike::base {

// Prints `file:line: check failed: condition: message` to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              absl::string_view message = "");

}  // namespace turnpike::base

#define TURNPIKE_CHECK(condition, ...)                                                          \
  do {                                                                                          \
    if (ABSL_PREDICT_FALSE(!(condition))) {                                                     \
      ::turnpike::base::CheckFailed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                                           \
  } while (false)

#endif  // TURNPIKE_SERVICES_COMMON_BASE_CHECK_H_
