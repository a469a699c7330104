// Keeps the straight path straight when a step can fail.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_STATUS_MACROS_H_
#define TURNPIKE_SERVICES_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define TURNPIKE_STATUS_CONCAT_INNER_(a, b) a##b
#define TURNPIKE_STATUS_CONCAT_(a, b) TURNPIKE_STATUS_CONCAT_INNER_(a, b)

// Returns the status of `expr` from the enclosing function unless it is OK.
#define TURNPIKE_RETURN_IF_ERROR(expr)                  \
  do {                                                  \
    if (absl::Status status_ = (expr); !status_.ok()) { \
      return status_;                                   \
    }                                                   \
  } while (false)

// Evaluates `expr`, a StatusOr; assigns its value to `lhs` or returns its status.
#define TURNPIKE_ASSIGN_OR_RETURN(lhs, expr) \
  TURNPIKE_ASSIGN_OR_RETURN_IMPL_(TURNPIKE_STATUS_CONCAT_(statusor_, __LINE__), lhs, expr, return )

// The same two inside coroutines.
#define TURNPIKE_CO_RETURN_IF_ERROR(expr)               \
  do {                                                  \
    if (absl::Status status_ = (expr); !status_.ok()) { \
      co_return status_;                                \
    }                                                   \
  } while (false)

#define TURNPIKE_CO_ASSIGN_OR_RETURN(lhs, expr)                                            \
  TURNPIKE_ASSIGN_OR_RETURN_IMPL_(TURNPIKE_STATUS_CONCAT_(statusor_, __LINE__), lhs, expr, \
                                  co_return )

#define TURNPIKE_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr, return_keyword) \
  auto statusor = (expr);                                                    \
  if (!statusor.ok()) return_keyword std::move(statusor).status();           \
  lhs = *std::move(statusor)

#endif  // TURNPIKE_SERVICES_COMMON_BASE_STATUS_MACROS_H_
