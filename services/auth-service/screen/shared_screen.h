// The dynamic screen and the limit on guessing an account's password, kept in the shared state of
// spool-store, so that all replicas agree and restarts forget nothing. (AU-12, AU-22)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SHARED_SCREEN_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SHARED_SCREEN_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/screen/metrics.h"
#include "services/auth-service/screen/screen_rules.h"
#include "services/common/base/clock.h"
#include "services/common/net/ip.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::auth {

// Decides from memory; what others block is known here within about `refresh_interval`. While the
// shared state is away it goes on with what it knows, and failures are counted later.
//
// Thread-safe.
class SharedScreen : public Screen {
 public:
  struct Options {
    ScreenSettings settings;
    absl::Duration refresh_interval = absl::Seconds(1);
    absl::Duration call_timeout = absl::Seconds(5);
    size_t calls_max = 1'000;  // reports on their way at one time; further ones are dropped
  };

  // Reads the screen first, for as long as a call may take; an error only means that it is read
  // later. The others outlive this.
  SharedScreen(Options options, spool::SharedState& state, ScreenMetrics& metrics,
               const base::Clock& clock);
  // Waits for the calls in progress.
  ~SharedScreen() override;

  // Goes by these from here on. What is blocked stays so, and who has subscribed hears of networks
  // that are allowed now.
  void Reconfigure(ScreenSettings settings);

  std::optional<v1::BlockedNetwork> FindBlocked(absl::string_view client_address) const override;
  bool MayTry(absl::string_view user, absl::string_view client_address) override;
  void OnFailure(const LoginAttempt& attempt) override;
  void OnSuccess(const LoginAttempt&) override {}  // an attacker has an account, too, now and then
  void OnDisallowedAuth(absl::string_view client_address) override;
  std::shared_ptr<void> Subscribe(OnUpdate on_update) override;

  // What operators do (AuthAdminService). `done` is called once, on any thread; UNAVAILABLE when
  // the shared state is away.
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;
  // By network. Pages may be short, and empty in between.
  void List(const v1::ListScreenEntriesRequest& request, Done<v1::ListScreenEntriesResponse> done);
  // INVALID_ARGUMENT: not a network, or dynamic_screening.allow has a part of it.
  // FAILED_PRECONDITION: dynamic_screening is off.
  void Add(const v1::AddScreenEntryRequest& request, Done<v1::AddScreenEntryResponse> done);
  void Remove(const v1::RemoveScreenEntryRequest& request,
              Done<v1::RemoveScreenEntryResponse> done);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SHARED_SCREEN_H_
