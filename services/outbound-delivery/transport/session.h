// The use of one connection for a destination: found or opened, it sends one delivery after the
// other, waits a little when there is none, and ends. While it waits, another destination's session
// may take its connection over (DL-40), which ends it too.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SESSION_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SESSION_H_

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/core/dispatcher.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/core/work.h"
#include "services/outbound-delivery/transport/connector.h"
#include "services/outbound-delivery/transport/settler.h"
#include "services/spool-store/client/slots.h"

namespace asio {
class io_context;
}

namespace turnpike::delivery {

// Whom a session works for. Thread-safe.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  // As Dispatcher's.
  virtual WorkPtr Take(SessionId session) = 0;
  virtual bool EndIdle(SessionId session) = 0;
  virtual void OnSessionReady(SessionId session) = 0;
  virtual void OnThrottled(SessionId session) = 0;
  virtual void Requeue(SessionId session, const WorkPtr& work) = 0;
  // This host has told every recipient's fate; what it has refused, others may be asked for.
  virtual void OnAttempt(const WorkPtr& work, AttemptReport report) = 0;
  // The last call is one of these.
  virtual void OnSessionFailed(SessionId session, const Failure& failure) = 0;
  virtual void OnSessionEnded(SessionId session, const std::optional<Failure>& failure) = 0;
  // Sessions for plans of this revision end instead of waiting for work.
  virtual bool has_ended(uint64_t revision) const = 0;
};

// Strand-confined to its context, but for what is said to be thread-safe. A session that takes a
// connection over moves to that one's context.
class Session : public std::enable_shared_from_this<Session> {
 public:
  struct Options {
    absl::Duration idle_timeout = absl::Seconds(2);
    // How often a delivery is tried on another connection when one is lost before its fate was
    // told.
    int failovers_max = 2;
  };
  // What a session is built with. What the pointers say outlives it.
  struct Environment {
    Options options;
    SessionOwner* owner;
    std::shared_ptr<Connector> connector;
    spool::Spool* spool;
    spool::Slots* slots;  // the limits of all workers together (DL-40)
    Metrics* metrics;
    const base::Clock* clock;
  };

  // `limit_key`: the destination, for the limits of all workers together.
  Session(SessionId id, RoutePlanPtr plan, std::string limit_key,
          std::shared_ptr<const Environment> environment, asio::io_context& context);

  // Thread-safe. Begins; the session keeps itself alive until it has ended.
  void Start();
  // Thread-safe. There may be work: the session takes it.
  void Wake();
  // Thread-safe. Closes the connection; what is on it is deferred.
  void Abort();

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Session> self);
  // Finds or opens a connection, and serves it.
  static asio::awaitable<void> Connect(std::shared_ptr<Session> self);
  // Goes on with a connection of another session, on its context; finds another one if the peer
  // has closed it.
  static asio::awaitable<void> TakeOver(std::shared_ptr<Session> self, Connection connection);
  static asio::awaitable<void> Serve(std::shared_ptr<Session> self, Connection connection);

  asio::io_context& context() const;
  void Spawn(asio::awaitable<void> coroutine);
  // Thread-safe. Runs it on the session's context, also when that changes meanwhile.
  void Post(std::function<void()> step);
  void MoveTo(asio::io_context& context);
  void Use(net::Stream* stream);  // what Abort closes; null: nothing

  // Waits for its turn under a limit; false if the session was aborted meanwhile. The slot is held
  // as long as it lives.
  asio::awaitable<bool> TakeSlot(spool::Slots::Wish wish, std::unique_ptr<spool::Slot>* slot);
  asio::awaitable<void> SendAll(Connection& connection);
  // False once the session is over.
  asio::awaitable<bool> WaitForWork(Connection& connection);
  // Waits to be woken, with the connection on offer; false if it was taken.
  asio::awaitable<bool> Idle(Connection& connection);
  asio::awaitable<void> Deliver(Connection& connection, WorkPtr work);
  asio::awaitable<std::vector<smtp::RecipientOutcome>> SendInline(Connection& connection,
                                                                  const WorkPtr& work);
  asio::awaitable<std::vector<smtp::RecipientOutcome>> SendLarge(Connection& connection,
                                                                 const WorkPtr& work,
                                                                 bool* is_damaged);
  void CountThrottling(Connection& connection, const std::vector<smtp::RecipientOutcome>& outcomes);
  // Requeues a delivery whose connection was lost, if it may be tried once more.
  bool TryElsewhere(Connection& connection, const WorkPtr& work,
                    const std::vector<smtp::RecipientOutcome>& outcomes);

  const SessionId id_;
  const RoutePlanPtr plan_;
  const std::string limit_key_;
  const std::shared_ptr<const Environment> kept_environment_;
  const Environment& environment_;
  mutable absl::Mutex mu_;
  asio::io_context* context_ ABSL_GUARDED_BY(mu_);  // changed on itself only
  std::optional<asio::steady_timer> timer_;         // of WaitForWork and TakeSlot; on the context
  std::unique_ptr<spool::Slot> slot_;               // of the connection
  bool may_send_one_ = false;                       // under the limit of messages a minute
  bool is_woken_ = false;
  bool is_aborted_ = false;
  net::Stream* stream_ = nullptr;
  absl::Duration connection_time_;
  std::optional<Failure> failure_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SESSION_H_
