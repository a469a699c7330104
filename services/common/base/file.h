// Small files as a whole: configuration, secrets, /proc.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_FILE_H_
#define TURNPIKE_SERVICES_COMMON_BASE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace turnpike::base {

// Reads the file at `path`. Blocks; not for an executor's thread. Every error names the path:
//   NOT_FOUND            nothing is there.
//   PERMISSION_DENIED    it may not be read.
//   FAILED_PRECONDITION  a directory, or anything else that cannot be read as a file.
//   RESOURCE_EXHAUSTED   more than `bytes_max` octets.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_FILE_H_
