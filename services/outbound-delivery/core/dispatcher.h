// Who sends what: groups the leased deliveries by destination, decides when sessions are opened,
// and gives each session its next delivery. Pure: events come in, actions go out.
//
// A destination is what RoutePlan::KeyFor says: a queue and its route, or a smart host and a login.
// It has sessions of its own, so that a slow one holds up nobody else. The number of those that
// work at one time, its window, starts at one and grows by one with each answered message, up to
// the limit; it is halved when the host says that it is too much (DL-40), and shrinks to what there
// is when a further session cannot be opened. A destination that cannot be reached fails all that
// waits for it at once, and for a while also what comes next. One that makes no progress keeps no
// leases that others need: what waits for it is handed back and its queues are paused.
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

// What the caller must do: the first three in any order; `pause` before `hand_back`.
struct Actions {
  struct Open {
    SessionId session;
    RoutePlanPtr plan;
    std::string limit_key;  // RoutePlan::LimitKeyFor
  };
  struct Fail {
    WorkPtr work;
    RoutePlanPtr plan;
    Failure failure;
  };
  std::vector<Open> open;                    // then OnSessionReady or OnSessionFailed
  std::vector<SessionId> wake;               // idle ones: they Take
  std::vector<Fail> fail;                    // settle these as not delivered
  std::vector<spool::v1::QueueName> pause;   // lease nothing of these…
  std::vector<spool::v1::QueueName> resume;  // … until now
  std::vector<WorkPtr> hand_back;            // not tried
  size_t fallbacks = 0;             // deliveries that went to their fallback, to be counted
  bool tells_lease_stream = false;  // the caller's own note: it has commands for the lease stream
};

// Thread safety: thread-compatible.
class Dispatcher {
 public:
  struct Options {
    // How long a destination that could not be reached fails what comes next. What a gateway's
    // release makes due is always tried (DQ-18).
    absl::Duration backoff = absl::Seconds(15);
    // The window does not grow for so long after a session could not be opened, or the host said
    // that it was too much.
    absl::Duration growth_pause = absl::Seconds(30);
    // A destination that took nothing for so long is stalled: it keeps nothing waiting. Later, as
    // long as others too take longer than a third of that until they take something: then it is us
    // who are slow, or our way to all of them.
    absl::Duration stalled_after = absl::Seconds(3);
    absl::Duration stalled_after_max = absl::Seconds(30);
    // So many destinations may be stalled; of further ones what waits is put off.
    size_t stalled_max = 2000;
    // So many queues may be paused because of us; of further ones what waits is put off too.
    size_t paused_max = 8000;
    // What one destination keeps waiting at most.
    size_t waiting_max = 500;
    // So many sessions in a row that answered nothing count as one that could not be opened.
    int useless_sessions_max = 3;
  };

  // What ListDestinations shows.
  struct DestinationView {
    std::string key;
    spool::v1::QueueName queue;  // of a shared one: no kind, and the target's name
    size_t sessions = 0;
    size_t waiting = 0;
    std::optional<Failure> last_failure;
    absl::Time last_failure_time;
  };

  explicit Dispatcher(Options options) : options_(options) {}

  // For another configuration: takes out all that waits, and resumes what is paused. Sessions stay
  // with their destinations, and what is added from now on has others, by its plans' revision.
  std::vector<WorkPtr> Restart(const Options& options, Actions* actions);

  // A delivery that waits for a session from now on.
  void Add(WorkPtr work, const RoutePlan& plan, absl::Time now, Actions* actions);

  // The session's next delivery, the one before being answered; null: nothing to do, the session is
  // idle until it is woken.
  WorkPtr Take(SessionId session, absl::Time now, Actions* actions);
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
  // The host has answered that it is too much at present.
  void OnThrottled(SessionId session, absl::Time now);

  // Puts a delivery that a session took back to the front, for another session.
  void Requeue(SessionId session, WorkPtr work, Actions* actions);

  // Takes out a waiting delivery; null if it does not wait.
  WorkPtr Remove(uint64_t delivery_id);
  // Takes out all that waits.
  std::vector<WorkPtr> RemoveAll();
  // Takes out what waits and `is_meant`.
  std::vector<WorkPtr> RemoveIf(const std::function<bool(const Work&)>& is_meant);

  // To be called about once a second: finds the stalled, and forgets destinations that have nothing
  // left.
  void Sweep(absl::Time now, Actions* actions);

  // Calls `visit` in the order of keys, from the first after `after`, until it returns false.
  void Visit(const std::string& after,
             const std::function<bool(const DestinationView&)>& visit) const;

  size_t waiting() const { return waiting_by_id_.size(); }
  size_t session_count() const { return sessions_.size(); }
  size_t stalled_count() const { return stalled_count_; }
  std::vector<SessionId> IdleSessions() const;

 private:
  struct Destination {
    std::string key;
    std::string limit_key;
    spool::v1::QueueName queue;
    RoutePlanPtr plan;
    std::deque<WorkPtr> waiting;
    std::vector<SessionId> idle;
    size_t opening = 0;
    size_t ready = 0;     // idle ones too
    size_t arriving = 0;  // ready ones that have been told to Take and have not yet
    size_t window = 1;
    int useless_sessions = 0;
    absl::Time progress_time;  // when something was taken last, or there was nothing to take
    absl::Time pause_until = absl::InfinitePast();
    absl::Time backoff_until = absl::InfinitePast();
    std::optional<Failure> last_failure;
    absl::Time last_failure_time;
    bool is_stalled = false;
    std::map<std::pair<int, std::string>, spool::v1::QueueName> paused;  // because of us

    size_t busy() const { return ready - idle.size(); }
  };

  struct Session {
    Destination* destination;
    bool is_arriving = false;
    bool has_taken = false;  // and the host has not said since that it is too much
  };

  Session& Find(SessionId session);
  void SetArriving(Session& session, bool is_arriving);
  // Opens and wakes sessions as far as what waits needs them.
  void Supply(Destination& destination, Actions* actions);
  void FailAll(Destination& destination, const Failure& failure, absl::Time now, Actions* actions);
  // Settles a delivery as failed, or gives it to its fallback.
  void FailOne(WorkPtr work, const Destination& destination, const Failure& failure, absl::Time now,
               Actions* actions);
  // Hands a delivery back and pauses its queue where that can end, else settles it as put off.
  void PutOff(WorkPtr work, Destination& destination, absl::Time now, Actions* actions);
  absl::Duration StalledAfter() const;
  void Stall(Destination& destination, absl::Time now, Actions* actions);
  void EndStall(Destination& destination, Actions* actions);
  void Resume(Destination& destination, Actions* actions);

  Options options_;
  std::map<std::string, std::unique_ptr<Destination>> destinations_;
  absl::flat_hash_map<SessionId, Session> sessions_;
  absl::flat_hash_map<uint64_t, Destination*> waiting_by_id_;
  SessionId next_session_ = 1;
  // How long destinations wait for their first session, as an average of the last ones.
  absl::Duration usual_wait_;
  size_t stalled_count_ = 0;
  size_t paused_count_ = 0;  // entries of all destinations' `paused`
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_DISPATCHER_H_
