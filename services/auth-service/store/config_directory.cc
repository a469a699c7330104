#include "services/auth-service/store/config_directory.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/credentials/crypto.h"
#include "services/common/credentials/verifiers.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::auth {
namespace {

constexpr size_t kSaltBytes = 16;

// The key of an account's address, or nothing if it cannot be one: ASCII in lower case, and the
// domain as A-labels.
std::string AccountKey(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (at == absl::string_view::npos) return "";
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(address.substr(at + 1));
  if (!domain.ok()) return "";
  return absl::StrCat(absl::AsciiStrToLower(address.substr(0, at)), "@", domain->ascii());
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ConfigDirectory>> ConfigDirectory::Create(
    const config::v1::Config& config, std::vector<AccountDirectory*> directories) {
  std::shared_ptr<ConfigDirectory> directory(new ConfigDirectory);
  directory->directories_ = std::move(directories);
  directory->salt_key_ = HmacSha256("turnpike", config.directory().ldap().bind_password());
  for (int i = 0; i < config.accounts_size(); ++i) {
    const config::v1::Account& account = config.accounts(i);
    const absl::Status status =
        directory->Add(v1::Identity::KIND_ACCOUNT, account.address(), account.password());
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("accounts[", i, "].password: ", status.message()));
    }
  }
  for (int i = 0; i < config.gateways_size(); ++i) {
    const config::v1::Gateway& gateway = config.gateways(i);
    const absl::Status status =
        directory->Add(v1::Identity::KIND_GATEWAY, gateway.domain(), gateway.atrn().password());
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("gateways[", i, "].atrn.password: ", status.message()));
    }
  }
  return directory;
}

absl::Status ConfigDirectory::Add(v1::Identity::Kind kind, const std::string& name,
                                  const std::string& password) {
  Login login;
  login.identity.set_kind(kind);
  login.identity.set_name(name);
  if (password.empty()) {
    return kind == v1::Identity::KIND_ACCOUNT ? AddLogin(std::move(login)) : absl::OkStatus();
  }
  absl::StatusOr<Verifiers> verifiers = ParseVerifiers(password);
  if (!verifiers.ok()) return verifiers.status();
  salt_key_ = HmacSha256(salt_key_, password);

  const bool is_account = kind == v1::Identity::KIND_ACCOUNT;
  Abilities& abilities = is_account ? account_abilities_ : gateway_abilities_;
  ++abilities.clear_text;
  if (verifiers->has_scram(HashKind::kSha256)) ++abilities.scram_sha256;
  if (verifiers->has_scram(HashKind::kSha1)) ++abilities.scram_sha1;
  if (verifiers->cram_md5.has_value()) ++abilities.cram_md5;

  if (verifiers->argon2.has_value() && !cost_.argon2.has_value()) cost_.argon2 = verifiers->argon2;
  const bool has_scram = verifiers->scram_sha256.has_value() || verifiers->scram_sha1.has_value();
  if (verifiers->scram_sha256.has_value()) {
    cost_.scram_iterations = verifiers->scram_sha256->iterations;
  }
  if (has_scram && !verifiers->password.has_value() && !verifiers->argon2.has_value()) {
    cost_.clear_text_needs_pbkdf2 = true;
  }
  if (verifiers->password.has_value() &&
      !(verifiers->scram_sha256.has_value() && verifiers->scram_sha1.has_value())) {
    cost_.scram_needs_pbkdf2 = true;
  }
  login.verifiers = *std::move(verifiers);
  return AddLogin(std::move(login));
}

absl::Status ConfigDirectory::AddLogin(Login login) {
  const bool is_account = login.identity.kind() == v1::Identity::KIND_ACCOUNT;
  const std::string name = login.identity.name();
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  const std::string key = is_account ? AccountKey(name) : domain.ok() ? domain->ascii() : "";
  if (key.empty()) return absl::InvalidArgumentError("its owner has no proper name");
  if (!(is_account ? accounts_ : gateways_).emplace(key, std::move(login)).second) {
    return absl::InvalidArgumentError("another login differs from this one by case only");
  }
  return absl::OkStatus();
}

const Login* ConfigDirectory::Find(absl::string_view user, Audience audience) const {
  if (user.find('@') != absl::string_view::npos) {
    const auto found = accounts_.find(AccountKey(user));
    if (!audience.accounts || found == accounts_.end()) return nullptr;
    const Verifiers& verifiers = found->second.verifiers;
    const bool has_password = verifiers.password.has_value() || verifiers.argon2.has_value() ||
                              verifiers.scram_sha256.has_value() ||
                              verifiers.scram_sha1.has_value() || verifiers.cram_md5.has_value();
    return has_password || audience.by_certificate ? &found->second : nullptr;
  }
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(user);
  if (!domain.ok()) return nullptr;
  const auto found = gateways_.find(domain->ascii());
  return audience.gateways && found != gateways_.end() ? &found->second : nullptr;
}

std::string ConfigDirectory::SaltFor(absl::string_view user) const {
  return HmacSha256(salt_key_, absl::AsciiStrToLower(user)).substr(0, kSaltBytes);
}

int ConfigDirectory::Count(Audience audience, int Abilities::*ability) const {
  return (audience.accounts ? account_abilities_.*ability : 0) +
         (audience.gateways ? gateway_abilities_.*ability : 0);
}

bool ConfigDirectory::HasVerifiersElsewhere(Audience audience) const {
  return audience.accounts &&
         std::any_of(directories_.begin(), directories_.end(),
                     [](const AccountDirectory* each) { return each->has_verifiers(); });
}

bool ConfigDirectory::HasClearText(Audience audience) const {
  return (audience.accounts && !directories_.empty()) ||
         Count(audience, &Abilities::clear_text) > 0;
}

bool ConfigDirectory::HasScram(HashKind hash, Audience audience) const {
  return HasVerifiersElsewhere(audience) ||
         Count(audience,
               hash == HashKind::kSha1 ? &Abilities::scram_sha1 : &Abilities::scram_sha256) > 0;
}

bool ConfigDirectory::HasCramMd5(Audience audience) const {
  return HasVerifiersElsewhere(audience) || Count(audience, &Abilities::cram_md5) > 0;
}

}  // namespace turnpike::auth
