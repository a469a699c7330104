// Search filters with an address in them. [RFC4515]
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_FILTER_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_FILTER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace turnpike::auth {

// The value as it may stand in a filter: nothing in it is syntax any more. [RFC4515 3]
std::string EscapeFilterValue(absl::string_view value);

// `pattern` with the escaped address in place of each `%s`.
std::string MakeFilter(absl::string_view pattern, absl::string_view address);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_FILTER_H_
