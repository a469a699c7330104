// What the SMTP side asks and tells the dynamic screen and the limits on guessing. (AU-12, AU-22)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SCREEN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SCREEN_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "protos/turnpike/auth/v1/session.pb.h"

namespace turnpike::auth {

// One try to log in.
struct LoginAttempt {
  std::string client_address;  // an IP address
  std::string user;            // as the client sent it; may be anything, of at most 320 octets
  // Equal for equal passwords of one user, on all replicas with one configuration; tells nothing of
  // the password without the configuration's secrets. Empty where the mechanism does not show
  // whether a password is the same again (SCRAM, CRAM-MD5).
  std::string password_mark;
};

// Thread-safe. No call blocks: what others must be told goes out behind the caller's back.
class Screen {
 public:
  virtual ~Screen() = default;

  // The entry that refuses this client now, at connect; nothing for most, and for text that is no
  // address.
  virtual std::optional<v1::BlockedNetwork> FindBlocked(absl::string_view client_address) const = 0;

  // Asked before a password of `user` is checked, whether the user exists or not. False: too many
  // failures of that account; the client reads 454 4.7.0 and nothing is checked.
  virtual bool MayTry(absl::string_view user, absl::string_view client_address) = 0;
  virtual void OnFailure(const LoginAttempt& attempt) = 0;
  virtual void OnSuccess(const LoginAttempt& attempt) = 0;
  // AUTH where auth.screen_on_disallowed_auth forbids it: blocked from now on (AU-12).
  virtual void OnDisallowedAuth(absl::string_view client_address) = 0;

  // Calls `on_update` with the whole screen inside of this call, then with each change, in order,
  // on any thread, until the returned object is destroyed; it waits for a call in progress.
  // `on_update` does not block and calls nothing of the screen.
  using OnUpdate = std::function<void(const v1::ScreenUpdate& update)>;
  virtual std::shared_ptr<void> Subscribe(OnUpdate on_update) = 0;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SCREEN_H_
