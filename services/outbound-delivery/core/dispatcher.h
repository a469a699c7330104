// Who sends what: groups the leased deliveries by destination, decides when sessions are opened,
// and gives each session its next delivery. Pure: events come in, actions go out.
//
// A destination is a queue and a route. It has sessions of its own, so that a slow one holds up
// nobody else. The number of its sessions starts at one and doubles with every one that could be
// opened, up to the limit; it shrinks to what there is when a further one cannot be opened. A
// destination that cannot be reached fails all that waits for it at once, and for a while also what
// comes next.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_DISPATCHER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_DISPATCHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/core/work.h"

namespace turnpike::delivery {

using SessionId = uint64_t;

// What the caller must do, in any order.
struct Actions {
  struct Open {
    SessionId session;
    RoutePlan plan;
  };
  std::vector<Open> open;                         // then OnSessionReady or OnSessionFailed
  std::vector<SessionId> wake;                    // idle ones: they Take
  std::vector<std::pair<WorkPtr, Failure>> fail;  // settle these as not delivered
};

// Thread safety: thread-compatible.
class Dispatcher {
 public:
  struct Options {
    size_t sessions_per_destination_max = 20;
    // How long a destination that could not be reached fails what comes next. What a gateway's
    // release makes due is always tried (DQ-18).
    absl::Duration backoff = absl::Seconds(15);
    // No further session is opened for so long after one could not be.
    absl::Duration growth_pause = absl::Seconds(30);
    // A destination without a session keeps only so many deliveries waiting once opening the first
    // takes longer than this; the others are put off.
    absl::Duration slow_after = absl::Seconds(5);
    size_t slow_waiting_max = 10;
    // So many sessions in a row that answered nothing count as one that could not be opened.
    int useless_sessions_max = 3;
  };

  // What ListDestinations shows.
  struct DestinationView {
    std::string key;
    spool::v1::QueueName queue;
    size_t sessions = 0;
    size_t waiting = 0;
    std::optional<Failure> last_failure;
    absl::Time last_failure_time;
  };

  explicit Dispatcher(Options options) : options_(options) {}

  // A delivery that waits for a session from now on.
  void Add(WorkPtr work, const RoutePlan& plan, absl::Time now, Actions* actions);

  // The session's next delivery; null: nothing to do, the session is idle until it is woken.
  WorkPtr Take(SessionId session);
  // An idle session wants to end. False if it has been woken meanwhile, and must Take.
  bool EndIdle(SessionId session);

  // The session can carry mail; it Takes next.
  void OnSessionReady(SessionId session, absl::Time now, Actions* actions);
  // It could not be opened.
  void OnSessionFailed(SessionId session, const Failure& failure, absl::Time now, Actions* actions);
  // A session that was ready is over. `failure` is set if the connection was lost without a single
  // answer about mail.
  void OnSessionEnded(SessionId session, const std::optional<Failure>& failure, absl::Time now,
                      Actions* actions);

  // Puts a delivery that a session took back to the front, for another session.
  void Requeue(SessionId session, WorkPtr work, absl::Time now, Actions* actions);

  // Takes out a waiting delivery; null if it does not wait.
  WorkPtr Remove(uint64_t delivery_id);
  // Takes out all that waits.
  std::vector<WorkPtr> RemoveAll();

  // To be called about once a second: puts off what slow destinations keep waiting, and forgets
  // destinations that have nothing left.
  void Sweep(absl::Time now, Actions* actions);

  // Calls `visit` in the order of keys, from the first after `after`, until it returns false.
  void Visit(const std::string& after,
             const std::function<bool(const DestinationView&)>& visit) const;

  size_t waiting() const { return waiting_by_id_.size(); }
  size_t session_count() const { return sessions_.size(); }
  std::vector<SessionId> IdleSessions() const;

 private:
  struct Destination {
    std::string key;
    spool::v1::QueueName queue;
    RoutePlan plan;
    std::deque<WorkPtr> waiting;
    std::vector<SessionId> idle;
    size_t opening = 0;
    size_t ready = 0;     // idle ones too
    size_t arriving = 0;  // ready ones that have been told to Take and have not yet
    size_t window = 1;
    int useless_sessions = 0;
    absl::Time opening_since;  // of the first, while none is ready
    absl::Time pause_until = absl::InfinitePast();
    absl::Time backoff_until = absl::InfinitePast();
    std::optional<Failure> last_failure;
    absl::Time last_failure_time;
  };

  struct Session {
    Destination* destination;
    bool is_arriving = false;
  };

  Session& Find(SessionId session);
  void SetArriving(Session& session, bool is_arriving);
  // Opens and wakes sessions as far as what waits needs them.
  void Supply(Destination& destination, absl::Time now, Actions* actions);
  void FailAll(Destination& destination, const Failure& failure, absl::Time now, Actions* actions);
  void FailFrom(Destination& destination, size_t keep, const Failure& failure, Actions* actions);

  const Options options_;
  std::map<std::string, std::unique_ptr<Destination>> destinations_;
  absl::flat_hash_map<SessionId, Session> sessions_;
  absl::flat_hash_map<uint64_t, Destination*> waiting_by_id_;
  SessionId next_session_ = 1;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_DISPATCHER_H_
