// Accounts in an LDAP directory, by OpenLDAP's library. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_DIRECTORY_H_

#include <memory>

#include "protos/turnpike/config/v1/auth.pb.h"
#include "services/auth-service/directory/blocking_directory.h"

namespace turnpike::auth {

// One connection to search by, and one to check passwords by. An account's own address is the first
// value of `address_attribute`, in the directory's order; an address that more than one entry has
// is nobody's, and the log says so.
std::unique_ptr<BlockingDirectory> CreateLdapDirectory(const config::v1::Ldap& config);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_DIRECTORY_H_
