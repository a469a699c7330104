#include "services/auth-service/directory/ldap_directory.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/directory/ldap_connection.h"
#include "services/auth-service/directory/ldap_filter.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/verifiers.h"
#include "services/common/observe/log.h"

namespace turnpike::auth {
namespace {

LdapServer ServerOf(const config::v1::Ldap& config) {
  return {.url = config.url(),
          .start_tls = config.start_tls(),
          .authorities_file = config.authorities_file()};
}

// Those that we can read, of all kinds; others (`{SSHA}`) are the directory's own business.
Verifiers ReadVerifiers(const std::vector<std::string>& values) {
  std::string lines;
  Verifiers verifiers;
  for (const std::string& value : values) {
    const std::string more = absl::StrCat(lines, value, "\n");
    absl::StatusOr<Verifiers> read = ParseVerifiers(more);
    if (!read.ok()) continue;
    verifiers = *std::move(read);
    lines = more;
  }
  return verifiers;
}

class LdapDirectory : public BlockingDirectory {
 public:
  explicit LdapDirectory(const config::v1::Ldap& config)
      : config_(config), searching_(ServerOf(config)), checking_(ServerOf(config)) {}

  absl::StatusOr<std::shared_ptr<const AccountEntry>> Find(const std::string& address,
                                                           absl::Time deadline) override {
    TURNPIKE_ASSIGN_OR_RETURN(const LdapEntry found, Search(address, deadline));
    if (found.dn.empty()) return nullptr;
    return MakeEntry(address, found);
  }

  absl::StatusOr<bool> CheckPassword(const std::string& address, const std::string& password,
                                     absl::Time deadline) override {
    // [RFC4513 5.1.2] a name without a password would be an anonymous success.
    if (password.empty()) return false;
    TURNPIKE_ASSIGN_OR_RETURN(const LdapEntry found, Search(address, deadline));
    // Nobody is asked for all the same, so that time does not tell.
    const std::string dn =
        found.dn.empty() ? absl::StrCat("cn=nobody,", config_.base_dn()) : found.dn;
    const bool was_open = checking_.is_open();
    if (!was_open) TURNPIKE_RETURN_IF_ERROR(checking_.Open(deadline));
    absl::Status status = checking_.Bind(dn, password, deadline);
    if (absl::IsUnavailable(status) && was_open) {  // closed by the server while it was idle
      TURNPIKE_RETURN_IF_ERROR(checking_.Open(deadline));
      status = checking_.Bind(dn, password, deadline);
    }
    if (absl::IsUnauthenticated(status)) return false;
    if (!status.ok()) return status;
    return !found.dn.empty();
  }

 private:
  // Without a name if there is none.
  absl::StatusOr<LdapEntry> Search(const std::string& address, absl::Time deadline) {
    LdapSearch search{.base_dn = config_.base_dn(),
                      .filter = MakeFilter(config_.filter(), address),
                      .attributes = {config_.address_attribute(), config_.alias_attribute()}};
    if (!config_.verifier_attribute().empty()) {
      search.attributes.push_back(config_.verifier_attribute());
    }
    const bool was_open = searching_.is_open();
    if (!was_open) TURNPIKE_RETURN_IF_ERROR(Connect(deadline));
    absl::StatusOr<std::vector<LdapEntry>> entries = searching_.Search(search, deadline);
    if (absl::IsUnavailable(entries.status()) && was_open) {
      TURNPIKE_RETURN_IF_ERROR(Connect(deadline));
      entries = searching_.Search(search, deadline);
    }
    if (!entries.ok()) {
      searching_.Close();
      return absl::UnavailableError(entries.status().message());
    }
    if (entries->size() > 1) {
      TURNPIKE_LOG(kWarning, "an address has several entries in LDAP, so it is nobody's",
                   {{"address", observe::LogAddress(address)}});
    }
    return entries->size() == 1 ? std::move(entries->front()) : LdapEntry();
  }

  absl::Status Connect(absl::Time deadline) {
    TURNPIKE_RETURN_IF_ERROR(searching_.Open(deadline));
    if (config_.bind_dn().empty()) return absl::OkStatus();
    const absl::Status status =
        searching_.Bind(config_.bind_dn(), config_.bind_password(), deadline);
    if (status.ok()) return status;
    searching_.Close();
    return absl::UnavailableError(absl::StrCat("as bind_dn: ", status.message()));
  }

  std::shared_ptr<const AccountEntry> MakeEntry(const std::string& address,
                                                const LdapEntry& found) const {
    auto entry = std::make_shared<AccountEntry>();
    std::vector<std::string> addresses = found.attributes.at(config_.address_attribute());
    for (const std::string& alias : found.attributes.at(config_.alias_attribute())) {
      addresses.push_back(alias);
    }
    addresses.push_back(address);  // the filter may know it by another attribute
    entry->address = addresses.front();
    for (std::string& each : addresses) {
      if (!absl::EqualsIgnoreCase(each, entry->address)) entry->aliases.push_back(std::move(each));
    }
    if (!config_.verifier_attribute().empty()) {
      entry->verifiers = ReadVerifiers(found.attributes.at(config_.verifier_attribute()));
    }
    const Verifiers& verifiers = entry->verifiers;
    entry->is_checked_by_directory = !verifiers.password && !verifiers.argon2 &&
                                     !verifiers.scram_sha256 && !verifiers.scram_sha1 &&
                                     !verifiers.cram_md5;
    return entry;
  }

  const config::v1::Ldap config_;
  LdapConnection searching_;
  LdapConnection checking_;
};

}  // namespace

std::unique_ptr<BlockingDirectory> CreateLdapDirectory(const config::v1::Ldap& config) {
  return std::make_unique<LdapDirectory>(config);
}

}  // namespace turnpike::auth
