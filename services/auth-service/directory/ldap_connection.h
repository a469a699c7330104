// One LDAP connection: opened, bound, asked; errors as a Status. [RFC4511]
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_CONNECTION_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_CONNECTION_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct ldap;

namespace turnpike::auth {

struct LdapServer {
  std::string url;
  bool start_tls = false;
  std::string authorities_file;  // empty: the system's
};

struct LdapSearch {
  std::string base_dn;
  std::string filter;
  std::vector<std::string> attributes;
};

struct LdapEntry {
  std::string dn;
  std::map<std::string, std::vector<std::string>> attributes;  // by the name that was asked for
};

// Certificates are always checked. Referrals are not followed. Texts of errors are the library's,
// and hold nothing that was asked for.
//
// Thread-compatible.
class LdapConnection {
 public:
  explicit LdapConnection(LdapServer server) : server_(std::move(server)) {}
  LdapConnection(const LdapConnection&) = delete;
  LdapConnection& operator=(const LdapConnection&) = delete;
  ~LdapConnection() { Close(); }

  bool is_open() const { return handle_ != nullptr; }
  // UNAVAILABLE: no connection, or no TLS.
  absl::Status Open(absl::Time deadline);
  void Close();

  // Authenticates; both empty: anonymously. UNAUTHENTICATED: wrong, or not allowed. UNAVAILABLE:
  // the connection is of no use any more.
  absl::Status Bind(const std::string& dn, const std::string& password, absl::Time deadline);
  // At most two entries, so that a second one is noticed. UNAVAILABLE as above; other errors are
  // the directory's refusal.
  absl::StatusOr<std::vector<LdapEntry>> Search(const LdapSearch& search, absl::Time deadline);

 private:
  void SetTimeouts(absl::Time deadline);
  absl::Status StatusOf(const char* what, int result);

  const LdapServer server_;
  ldap* handle_ = nullptr;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_LDAP_CONNECTION_H_
