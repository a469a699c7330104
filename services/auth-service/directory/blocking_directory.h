// A directory as a library or a socket gives it to us: one call at a time, and each waits.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_BLOCKING_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_BLOCKING_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/auth-service/core/account_directory.h"

namespace turnpike::auth {

// A connection, made when it is needed and again after it broke. Errors are UNAVAILABLE and
// DEADLINE_EXCEEDED; their texts hold neither addresses nor passwords.
//
// Thread-compatible: used on one thread at a time.
class BlockingDirectory {
 public:
  virtual ~BlockingDirectory() = default;
  // As AccountDirectory::Find and CheckPassword.
  virtual absl::StatusOr<std::shared_ptr<const AccountEntry>> Find(const std::string& address,
                                                                   absl::Time deadline) = 0;
  virtual absl::StatusOr<bool> CheckPassword(const std::string& address,
                                             const std::string& password, absl::Time deadline) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_BLOCKING_DIRECTORY_H_
