// Dovecot's auth process as a directory: its user database says who exists, and it checks
// passwords. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_DIRECTORY_H_

#include <memory>

#include "protos/turnpike/config/v1/auth.pb.h"
#include "services/auth-service/directory/blocking_directory.h"

namespace turnpike::auth {

// One connection to each socket. An account's own address is the user name that Dovecot gives it,
// in the domain that was asked for if that has none.
std::unique_ptr<BlockingDirectory> CreateDovecotDirectory(const config::v1::Dovecot& config);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_DOVECOT_DIRECTORY_H_
