// Who may log in, and the work that checking anybody costs.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_LOGIN_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_LOGIN_DIRECTORY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/account_directory.h"
#include "services/common/credentials/verifiers.h"

namespace turnpike::auth {

struct Login {
  v1::Identity identity;  // without the mechanism
  Verifiers verifiers;
  // Who checks its password; null: we do. Outlives the login.
  AccountDirectory* checker = nullptr;
};

// Which kinds of login a mechanism serves on a listener.
struct Audience {
  bool accounts = false;
  bool gateways = false;
  bool by_certificate = false;  // accounts without a password too
};

// What every check of a directory's logins does, whether the user exists or not, so that time tells
// nothing: the dearest of what any of its logins needs.
struct CheckingCost {
  std::optional<std::string> argon2;     // some login's own, to be computed for those without one
  int scram_iterations = 4096;           // shown for users that do not exist
  bool clear_text_needs_pbkdf2 = false;  // some login has a SCRAM verifier only
  bool scram_needs_pbkdf2 = false;       // some login has a password and no SCRAM verifier
};

// The logins as they are in one configuration. Thread-safe; lives while an exchange uses it.
class LoginDirectory {
 public:
  virtual ~LoginDirectory() = default;

  // The configured login of `user`, as a client has sent it: an account's address, or a gateway's
  // domain in any case and with A-labels or U-labels (DQ-33). Null when there is none in
  // `audience`.
  virtual const Login* Find(absl::string_view user, Audience audience) const = 0;

  // Where accounts are found that are not configured, in this order (AU-23).
  virtual const std::vector<AccountDirectory*>& directories() const = 0;

  virtual const CheckingCost& cost() const = 0;

  // A salt for a user without one: the same each time, and on each replica with the same
  // configuration. 16 octets.
  virtual std::string SaltFor(absl::string_view user) const = 0;

  // Whether any login in `audience` can use the mechanism.
  virtual bool HasClearText(Audience audience) const = 0;
  virtual bool HasScram(HashKind hash, Audience audience) const = 0;
  virtual bool HasCramMd5(Audience audience) const = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_LOGIN_DIRECTORY_H_
