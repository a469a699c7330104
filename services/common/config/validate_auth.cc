#include "services/common/config/validate_auth.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/time_util.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

class AuthValidator {
 public:
  AuthValidator(const Places& places, Problems& problems) : places_(places), problems_(problems) {}

  // AU-7
  void CheckMatchExemptions(const v1::Auth& auth) {
    for (int i = 0; i < auth.match_exemptions_size(); ++i) {
      if (!IsAddressPattern(auth.match_exemptions(i))) {
        Error(absl::StrCat("auth.match_exemptions[", i, "]"),
              "is no address, and no pattern like `*@example.org`");
      }
    }
  }

  // AU-11, AU-12
  void CheckDisallowedAuth(const v1::Config& config) {
    const v1::Auth& auth = config.auth();
    if (auth.screen_on_disallowed_auth() && !auth.disallow_on_smtp_port()) {
      Error("auth.screen_on_disallowed_auth", "does nothing without `disallow_on_smtp_port`");
    } else if (auth.screen_on_disallowed_auth() && !config.dynamic_screening().enabled()) {
      Error("auth.screen_on_disallowed_auth", "needs `dynamic_screening`, which is off");
    }
    if (!auth.disallow_on_smtp_port()) return;
    for (int i = 0; i < config.smtp().listeners_size(); ++i) {
      const v1::Listener& listener = config.smtp().listeners(i);
      if (listener.role() != v1::LISTENER_ROLE_SMTP) continue;
      const std::string path = absl::StrCat("smtp.listeners[", i, "]");
      if (listener.odmr()) {
        Error(path + ".odmr",
              "nobody could use it: ATRN needs AUTH, which `auth.disallow_on_smtp_port` forbids "
              "here");
      }
      if (listener.allow_cleartext_auth()) {
        Warn(path + ".allow_cleartext_auth",
             "does nothing here; `auth.disallow_on_smtp_port` forbids AUTH");
      }
    }
  }

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
  // As auth-service reads it: `*` on both sides of the `@`, no `*` in a domain must be one.
  static bool IsAddressPattern(absl::string_view text) {
    const size_t at = text.rfind('@');
    if (at == absl::string_view::npos || at == 0 || at + 1 == text.size()) return false;
    const absl::string_view local_part = text.substr(0, at);
    const absl::string_view domain = text.substr(at + 1);
    if (local_part.find_first_of(" \t<>,;") != absl::string_view::npos) return false;
    if (!absl::StrContains(domain, '*')) return NormalDomain(domain).ok();
    return NormalDomain(absl::StrReplaceAll(domain, {{"*", "x"}})).ok();
  }

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
  validator.CheckMatchExemptions(config.auth());
  validator.CheckDisallowedAuth(config);
  validator.CheckScreening(config.dynamic_screening());
  validator.CheckPopBeforeSmtp(config.auth().pop_before_smtp());
  validator.CheckSharing(config);
  if (config.directory().has_ldap()) validator.CheckLdap(config.directory().ldap());
  if (config.directory().has_dovecot()) validator.CheckDovecot(config.directory().dovecot());
}

}  // namespace turnpike::config
