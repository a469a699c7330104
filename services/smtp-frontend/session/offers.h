// What a listener offers, with the AUTH mechanisms that the policy wants offered.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_OFFERS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_OFFERS_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/common/smtp/server_options.h"
#include "services/smtp-frontend/session/environment.h"

namespace turnpike::frontend {

// Keeps the options made of each listener's last offer, as it rarely changes, so that a new session
// costs no copy of them. Listeners are known by their names. Thread-compatible: one for each I/O
// thread.
class Offers {
 public:
  std::shared_ptr<const smtp::ServerOptions> For(
      const std::shared_ptr<const ListenerProfile>& listener, const auth::v1::Offer& offer);

  // What is offered to one session only; not kept.
  static std::shared_ptr<const smtp::ServerOptions> ForOne(const ListenerProfile& listener,
                                                           const auth::v1::Offer& offer);

  // While the policy cannot be asked: what was last offered. If that is not known, AUTH is not
  // offered and is to be answered by event::UnofferedAuth.
  std::shared_ptr<const smtp::ServerOptions> WithoutPolicy(
      const std::shared_ptr<const ListenerProfile>& listener);

 private:
  struct Last {
    std::shared_ptr<const ListenerProfile> listener;  // which the options were made for
    std::shared_ptr<const smtp::ServerOptions> options;
  };
  absl::flat_hash_map<std::string, Last> last_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_OFFERS_H_
