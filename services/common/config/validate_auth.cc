#include "services/common/config/validate_auth.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/time_util.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

class AuthValidator {
 public:
  AuthValidator(const Places& places, Problems& problems) : places_(places), problems_(problems) {}

  // AU-22
  void CheckScreening(const v1::DynamicScreening& screening) {
    using google::protobuf::util::TimeUtil;
    if (TimeUtil::DurationToNanoseconds(screening.block_for_max()) <
        TimeUtil::DurationToNanoseconds(screening.block_for())) {
      Error("dynamic_screening.block_for_max", "is less than `block_for`");
    }
  }

  // AU-21
  void CheckPopBeforeSmtp(const v1::PopBeforeSmtp& pop) {
    const std::string path = "auth.pop_before_smtp";
    if (pop.policy_listen().empty()) return;
    if (!pop.enabled()) {
      Warn(path + ".policy_listen", "does nothing; `enabled` is false");
    }
    const std::string host = SplitHostPort(pop.policy_listen()).host;
    const bool is_loopback = absl::StartsWith(host, "127.") || host == "::1";
    if (!is_loopback && pop.policy_key().empty() && pop.policy_key_file().empty()) {
      Error(path + ".policy_listen",
            "would let anybody report logins; give `policy_key` or `policy_key_file`");
    }
  }

  // AU-20
  void CheckSharing(const v1::Config& config) {
    if (!config.domain_sharing().hosts().empty() && config.local_domains().empty()) {
      Warn("domain_sharing.hosts", "are never asked; there are no `local_domains`");
    }
  }

  // AU-23
  void CheckLdap(const v1::Ldap& ldap) {
    const std::string path = "directory.ldap";
    const bool is_plain = absl::StartsWith(ldap.url(), "ldap://");
    const bool is_local = absl::StartsWith(ldap.url(), "ldapi://");
    if (!is_plain && !is_local && !absl::StartsWith(ldap.url(), "ldaps://")) {
      Error(path + ".url", "is no `ldap://`, `ldaps://` or `ldapi://` URL");
    } else if (ldap.start_tls() && !is_plain) {
      Error(path + ".start_tls", "is for `ldap://` only");
    } else if (is_plain && !ldap.start_tls() && !IsLoopbackUrl(ldap.url())) {
      Warn(path + ".url", "sends passwords in clear; use `start_tls` or `ldaps://`");
    }
    if (!absl::StrContains(ldap.filter(), "%s")) {
      Error(path + ".filter", "finds the same for everybody; `%s` must stand for the address");
    } else if (!absl::StartsWith(ldap.filter(), "(") || !absl::EndsWith(ldap.filter(), ")")) {
      Error(path + ".filter", "must stand in parentheses");
    }
    const bool has_password = !ldap.bind_password().empty() || !ldap.bind_password_file().empty();
    if (ldap.bind_dn().empty() && has_password) {
      Error(path + ".bind_password", "is nobody's; give `bind_dn`");
    } else if (!ldap.bind_dn().empty() && !has_password) {
      Error(path + ".bind_dn", "has no password; give `bind_password` or `bind_password_file`");
    }
  }

  void CheckDovecot(const v1::Dovecot& dovecot) {
    if (dovecot.userdb_socket() == dovecot.client_socket()) {
      Error("directory.dovecot.client_socket",
            "is `userdb_socket` too; they speak different protocols");
    }
  }

 private:
  static bool IsLoopbackUrl(absl::string_view url) {
    return absl::StartsWith(url, "ldap://127.") || absl::StartsWith(url, "ldap://localhost") ||
           absl::StartsWith(url, "ldap://[::1]");
  }

  void Error(const std::string& path, absl::string_view text) {
    problems_.AddError(FindPlace(places_, path), path, text);
  }
  void Warn(const std::string& path, absl::string_view text) {
    problems_.AddWarning(FindPlace(places_, path), path, text);
  }

  const Places& places_;
  Problems& problems_;
};

}  // namespace

void ValidateAuth(const Places& places, const v1::Config& config, Problems& problems) {
  AuthValidator validator(places, problems);
  validator.CheckScreening(config.dynamic_screening());
  validator.CheckPopBeforeSmtp(config.auth().pop_before_smtp());
  validator.CheckSharing(config);
  if (config.directory().has_ldap()) validator.CheckLdap(config.directory().ldap());
  if (config.directory().has_dovecot()) validator.CheckDovecot(config.directory().dovecot());
}

}  // namespace turnpike::config
