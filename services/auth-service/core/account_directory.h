// Accounts that are not in the configuration: what a directory (LDAP, Dovecot) is asked. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ACCOUNT_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ACCOUNT_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/credentials/verifiers.h"

namespace turnpike::auth {

// One account, wherever it comes from.
struct AccountEntry {
  std::string address;               // its own, which is also its user name
  std::vector<std::string> aliases;  // further addresses
  Verifiers verifiers;               // those that we may check ourselves; may be all unset
  // Its password can be checked by the directory only (PLAIN, LOGIN).
  bool is_checked_by_directory = false;
};

// Thread-safe. `done` is called exactly once, also inside of the call when the answer is known, on
// any thread; it does not block. An error means that the directory does not answer: mail that needs
// it gets 451, a login 454.
class AccountDirectory {
 public:
  virtual ~AccountDirectory() = default;

  // The account that has `address`, as its own or as an alias; null: nobody has it. Case of ASCII
  // does not matter.
  using FindDone = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<const AccountEntry>>)>;
  virtual void Find(std::string address, absl::Time deadline, FindDone done) = 0;

  // Checks the password of the account with that own address, also of one that does not exist
  // (false, after the same work). Only asked when checks_passwords().
  using CheckDone = absl::AnyInvocable<void(absl::StatusOr<bool>)>;
  virtual void CheckPassword(std::string address, std::string password, absl::Time deadline,
                             CheckDone done) = 0;
  virtual bool checks_passwords() const = 0;
  // Whether accounts may have verifiers, so that SCRAM and CRAM-MD5 are worth offering.
  virtual bool has_verifiers() const = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_ACCOUNT_DIRECTORY_H_
