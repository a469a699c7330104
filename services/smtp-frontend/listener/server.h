// The SMTP side of the process: listeners, I/O threads, and the sessions on them.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SERVER_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/frontend/v1/frontend.pb.h"
#include "services/auth-service/client/policy.h"
#include "services/gateway-dequeue/client/dequeue.h"
#include "services/spool-store/client/spool.h"

namespace prometheus {
class Registry;
}

namespace turnpike::frontend {

// Thread-safe.
class Server {
 public:
  // The other services.
  struct Clients {
    std::function<std::unique_ptr<auth::Policy>()> make_policy;  // called once for each I/O thread
    std::unique_ptr<dequeue::Dequeue> dequeue;
    std::unique_ptr<spool::Spool> spool;
  };

  // Listens and serves from now on. `config` is complete and checked; it is copied from. `registry`
  // outlives the server. Errors: of certificates (TlsContext::ForServer), and UNAVAILABLE when an
  // address cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const config::v1::Config& config,
                                                       Clients clients,
                                                       prometheus::Registry& registry);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Closes what is open, without a word to the clients.
  ~Server();

  // Serves by another configuration from now on (PL-31): sessions that have begun go on by theirs.
  // Sockets whose address is still listened on stay open; new ones are opened, and those that are
  // no longer named closed. smtp.threads stays as it was. Errors as Start's: everything is as
  // before. From one thread, not beside Drain.
  absl::Status Reconfigure(const config::v1::Config& config);

  // Stops accepting, says 421 to idle clients, lets transactions end. Returns when all sessions are
  // over or at `deadline`; those that still run are cut off then. Blocks. (PL-7)
  void Drain(absl::Time deadline);
  bool is_draining() const;

  // The sessions of all threads, in no order. `done` is called on an I/O thread.
  void Describe(absl::AnyInvocable<void(std::vector<v1::Session>)> done);

  // Collects mail from a provider (collections[].name), as a session with the id `run_id` once the
  // roles have turned. (DQ-50) `done` is called once, inside of this or on an I/O thread, unless
  // the server is destroyed before. Errors: NOT_FOUND: no such collection; UNAVAILABLE: draining.
  using CollectCallback = absl::AnyInvocable<void(absl::StatusOr<dequeue::v1::Run>)>;
  void Collect(const std::string& collection, const std::string& run_id, CollectCallback done);
  // Ends it after the message in progress; nothing if there is none.
  void EndCollection(const std::string& run_id);

  // `127.0.0.1:40123` of each listener, in the order of the configuration.
  std::vector<std::string> addresses() const;
  size_t session_count() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_SERVER_H_
