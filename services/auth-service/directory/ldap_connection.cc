#include "services/auth-service/directory/ldap_connection.h"

#include <ldap.h>
#include <sys/time.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"

namespace turnpike::auth {
namespace {

// Where Debian's ca-certificates puts them all.
constexpr char kSystemAuthorities[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr int kEntriesMax = 2;

timeval TimeLeft(absl::Time deadline) {
  return absl::ToTimeval(std::max(deadline - absl::Now(), absl::Milliseconds(1)));
}

std::vector<std::string> ValuesOf(LDAP* handle, LDAPMessage* entry, const std::string& attribute) {
  std::vector<std::string> values;
  berval** const found = ldap_get_values_len(handle, entry, attribute.c_str());
  if (found == nullptr) return values;
  for (berval** value = found; *value != nullptr; ++value) {
    values.emplace_back((*value)->bv_val, (*value)->bv_len);
  }
  ldap_value_free_len(found);
  return values;
}

}  // namespace

void LdapConnection::Close() {
  if (handle_ != nullptr) ldap_unbind_ext_s(handle_, nullptr, nullptr);
  handle_ = nullptr;
}

void LdapConnection::SetTimeouts(absl::Time deadline) {
  const timeval left = TimeLeft(deadline);
  ldap_set_option(handle_, LDAP_OPT_NETWORK_TIMEOUT, &left);
  ldap_set_option(handle_, LDAP_OPT_TIMEOUT, &left);
}

absl::Status LdapConnection::StatusOf(const char* what, int result) {
  const std::string text = absl::StrCat(what, ": ", ldap_err2string(result));
  switch (result) {
    case LDAP_SUCCESS:
      return absl::OkStatus();
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_INVALID_DN_SYNTAX:
      return absl::UnauthenticatedError(text);
    default:
      // What state it is in nobody knows: away, busy, out of step.
      Close();
      return absl::UnavailableError(text);
  }
}

absl::Status LdapConnection::Open(absl::Time deadline) {
  Close();
  if (const int result = ldap_initialize(&handle_, server_.url.c_str()); result != LDAP_SUCCESS) {
    handle_ = nullptr;
    return absl::UnavailableError(absl::StrCat("connect: ", ldap_err2string(result)));
  }
  const int version = LDAP_VERSION3;
  ldap_set_option(handle_, LDAP_OPT_PROTOCOL_VERSION, &version);
  ldap_set_option(handle_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  ldap_set_option(handle_, LDAP_OPT_RESTART, LDAP_OPT_ON);
  const int demand = LDAP_OPT_X_TLS_DEMAND;
  ldap_set_option(handle_, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
  ldap_set_option(
      handle_, LDAP_OPT_X_TLS_CACERTFILE,
      server_.authorities_file.empty() ? kSystemAuthorities : server_.authorities_file.c_str());
  // Makes what was set count for this handle; must be last.
  const int is_server = 0;
  ldap_set_option(handle_, LDAP_OPT_X_TLS_NEWCTX, &is_server);
  SetTimeouts(deadline);
  if (!server_.start_tls) return absl::OkStatus();
  const int result = ldap_start_tls_s(handle_, nullptr, nullptr);
  if (result == LDAP_SUCCESS) return absl::OkStatus();
  Close();  // never in clear instead
  return absl::UnavailableError(absl::StrCat("STARTTLS: ", ldap_err2string(result)));
}

absl::Status LdapConnection::Bind(const std::string& dn, const std::string& password,
                                  absl::Time deadline) {
  SetTimeouts(deadline);
  berval secret = {};
  secret.bv_val = const_cast<char*>(password.data());
  secret.bv_len = password.size();
  return StatusOf("bind", ldap_sasl_bind_s(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr,
                                           nullptr, nullptr));
}

absl::StatusOr<std::vector<LdapEntry>> LdapConnection::Search(const LdapSearch& search,
                                                              absl::Time deadline) {
  SetTimeouts(deadline);
  std::vector<char*> attributes;
  for (const std::string& name : search.attributes) {
    attributes.push_back(const_cast<char*>(name.c_str()));
  }
  attributes.push_back(nullptr);
  timeval left = TimeLeft(deadline);
  LDAPMessage* message = nullptr;
  const int result = ldap_search_ext_s(handle_, search.base_dn.c_str(), LDAP_SCOPE_SUBTREE,
                                       search.filter.c_str(), attributes.data(), /*attrsonly=*/0,
                                       nullptr, nullptr, &left, kEntriesMax, &message);
  const std::unique_ptr<LDAPMessage, int (*)(LDAPMessage*)> owner(message, &ldap_msgfree);
  // A base that is not there has no entries; with too many, two have come.
  if (result != LDAP_SUCCESS && result != LDAP_SIZELIMIT_EXCEEDED &&
      result != LDAP_NO_SUCH_OBJECT) {
    return StatusOf("search", result);
  }
  std::vector<LdapEntry> entries;
  for (LDAPMessage* each = ldap_first_entry(handle_, message); each != nullptr;
       each = ldap_next_entry(handle_, each)) {
    LdapEntry entry;
    char* const dn = ldap_get_dn(handle_, each);
    if (dn != nullptr) entry.dn = dn;
    ldap_memfree(dn);
    for (const std::string& name : search.attributes) {
      entry.attributes[name] = ValuesOf(handle_, each, name);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace turnpike::auth
