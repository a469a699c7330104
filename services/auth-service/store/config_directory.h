// The logins that the configuration names: accounts, and gateways. (AU-23, DQ-33)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_STORE_CONFIG_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_STORE_CONFIG_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/core/login_directory.h"

namespace turnpike::auth {

// An account's user name is its address; case does not matter, aliases are no user names. A
// gateway's is its domain; a gateway without a password cannot log in, and an account without one
// only by certificate.
//
// Immutable; thread-safe.
class ConfigDirectory : public LoginDirectory {
 public:
  // INVALID_ARGUMENT names the key of a password that is no verifier, and holds nothing of it.
  // `directories` outlive this.
  static absl::StatusOr<std::shared_ptr<const ConfigDirectory>> Create(
      const config::v1::Config& config, std::vector<AccountDirectory*> directories = {});

  const Login* Find(absl::string_view user, Audience audience) const override;
  const std::vector<AccountDirectory*>& directories() const override { return directories_; }
  const CheckingCost& cost() const override { return cost_; }
  std::string SaltFor(absl::string_view user) const override;
  bool HasClearText(Audience audience) const override;
  bool HasScram(HashKind hash, Audience audience) const override;
  bool HasCramMd5(Audience audience) const override;

 private:
  // How many logins of one kind have what.
  struct Abilities {
    int clear_text = 0;
    int scram_sha256 = 0;
    int scram_sha1 = 0;
    int cram_md5 = 0;
  };

  ConfigDirectory() = default;
  absl::Status Add(v1::Identity::Kind kind, const std::string& name, const std::string& password);
  absl::Status AddLogin(Login login);
  int Count(Audience audience, int Abilities::*ability) const;
  bool HasVerifiersElsewhere(Audience audience) const;

  std::vector<AccountDirectory*> directories_;
  absl::flat_hash_map<std::string, Login> accounts_;  // by lower-case address
  absl::flat_hash_map<std::string, Login> gateways_;  // by A-label domain
  Abilities account_abilities_;
  Abilities gateway_abilities_;
  CheckingCost cost_;
  std::string salt_key_;  // made of all secrets: nobody outside knows it, every replica has it
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_STORE_CONFIG_DIRECTORY_H_
