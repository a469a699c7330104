// Checks a clear-text password with equal work for every user.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_PASSWORD_CHECK_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_PASSWORD_CHECK_H_

#include "absl/strings/string_view.h"
#include "services/auth-service/core/login_directory.h"

namespace turnpike::auth {

// Whether the check takes long enough (1 ms and more) to be kept away from threads that serve I/O.
// `login` may be null.
bool IsDear(const Login* login, const CheckingCost& cost);

// True if `password` is the login's. `login` may be null: then it is false after the same work.
// Of several verifiers the first of these decides: password, argon2, SCRAM-SHA-256, SCRAM-SHA-1,
// CRAM-MD5.
// Blocks for as long as argon2 takes.
//
// Limit: logins whose argon2 or SCRAM parameters differ from the directory's common ones can be
// told apart by time.
bool CheckPassword(const Login* login, absl::string_view password, const CheckingCost& cost);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_PASSWORD_CHECK_H_
