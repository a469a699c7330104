// The delivery worker: leases what is due, has sessions send it, and settles it.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_WORKER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/net/io_threads.h"
#include "services/outbound-delivery/core/dispatcher.h"
#include "services/outbound-delivery/core/pauses.h"
#include "services/outbound-delivery/core/rounds.h"
#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/metrics.h"
#include "services/outbound-delivery/transport/connector.h"
#include "services/outbound-delivery/transport/session.h"
#include "services/outbound-delivery/transport/settler.h"
#include "services/outbound-delivery/transport/suspended_gateways.h"
#include "services/spool-store/client/slots.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::delivery {

// Thread-safe. Nothing is waited for with the lock held, and nobody is called.
//
// When the lease stream ends (the store is away) what waits is forgotten: its leases are gone. What
// is on a connection is finished and settled; if the store leases it to us again meanwhile, the new
// lease is used for that, and it is not sent twice. If it does not, and the connection is lost, the
// delivery is left to whoever has it then. Of several stores each is on its own.
class Worker : public SessionOwner {
 public:
  struct Options {
    std::string name;  // in the store's logs: `outbound-delivery/host`
    absl::Duration lease_duration = absl::Minutes(5);
    int leases_max = 2000;
    // Of one queue, so that a slow one cannot take all.
    int leases_per_queue_max = 250;
    absl::Duration round;       // delivery.processing_interval; zero: none (DL-8)
    bool has_gateways = false;  // which may be suspended
    Dispatcher::Options dispatcher;
    Session::Options session;
  };
  // What a configuration makes of the worker. Immutable; another configuration has others.
  struct Settings {
    uint64_t revision = 0;  // of the routes' plans, and of the connector
    Options options;
    std::shared_ptr<const Settler::Options> settler;
    std::shared_ptr<const RouteTable> routes;
    std::shared_ptr<Resolver> resolver;
    std::shared_ptr<Connector> connector;
  };
  // What a worker is built on; outlives it.
  struct Environment {
    spool::Spool* spool;
    spool::Slots* slots;
    SuspendedGateways* suspended;
    net::IoThreads* threads;
    Metrics* metrics;
    const base::Clock* clock;
  };

  Worker(std::shared_ptr<const Settings> settings, const Environment& environment);
  // After Drain, and after `spool`'s callbacks and the threads have ended, if sessions were left.
  ~Worker() override;

  // Begins to lease.
  void Start();
  // Works by other settings, of another revision (PL-31). What is on a connection is finished as it
  // was begun; the connection carries nothing else then. What waits is handed back, and leased
  // again. How much one queue may have (leases_per_queue_max) is told the store when nothing is
  // under lease; the worker's name and the lease's duration stay as they were.
  void Reconfigure(std::shared_ptr<const Settings> settings);
  std::shared_ptr<const Settings> settings() const;
  // The gateways' queues that nothing may be sent of for now (DQ-61); replaces the last list.
  void SetSuspended(const std::vector<spool::v1::QueueName>& queues);
  // True while the store gives us work.
  bool is_connected() const;
  // Hands back what has not been begun, finishes the rest until `deadline`, then cuts the
  // connections; ends the lease stream. Blocks. Called once.
  void Drain(absl::Time deadline);

  // Destinations in the order of their keys, from the first after `after`; at most `count_max`.
  std::vector<Dispatcher::DestinationView> Destinations(const std::string& after,
                                                        size_t count_max) const;

  // SessionOwner
  WorkPtr Take(SessionId session) override;
  bool EndIdle(SessionId session) override;
  void OnSessionReady(SessionId session) override;
  void OnThrottled(SessionId session) override;
  void Requeue(SessionId session, const WorkPtr& work) override;
  void OnAttempt(const WorkPtr& work, AttemptReport report) override;
  void OnSessionFailed(SessionId session, const Failure& failure) override;
  void OnSessionEnded(SessionId session, const std::optional<Failure>& failure) override;
  bool has_ended(uint64_t revision) const override;

 private:
  class LeaseHandler;
  class Ticker;

  // From the lease stream.
  void OnLeased(uint64_t stream, spool::v1::LeaseResponse response);
  void OnShardLost(uint64_t stream, uint32_t shard, const absl::Status& status);
  void OnLeaseClosed(uint64_t stream, const absl::Status& status);

  // What the lease stream is still to be told, in order.
  struct LeaseCommand {
    enum class Kind { kPause, kResume, kHandBack };
    Kind kind;
    spool::v1::QueueName queue;
    spool::v1::LeaseToken token;  // kHandBack
  };

  void Tick();
  void OpenLease();
  void ForgetLeases(uint64_t stream, absl::Time now, const absl::Status& status,
                    std::vector<WorkPtr>* unfinished);
  void RenewLeases(absl::Time now);
  // Ends the stream, so that the next Tick opens one anew. Only while nothing is under lease.
  void ReopenLease(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Carries out what a call of the dispatcher wants. `Absorb` under the same lock as that call.
  void Absorb(Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Absorb(PauseChanges changes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void HandBack(const WorkPtr& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Perform(Actions actions);
  void TellLeaseStream();

  void SettleFailed(const Actions::Fail& fail);
  // Records what hosts have said in an attempt that cannot go on; what is left is tried later.
  void SettleUnfinished(const WorkPtr& work);
  void Settle(const WorkPtr& work, AttemptReport report);
  // Offers what a host has refused to the domain's other hosts, where that is wanted (DL-32).
  bool AskFurtherHost(const WorkPtr& work, const AttemptReport& report);
  void OnSettled(const WorkPtr& work, const spool::v1::LeaseToken& token);
  spool::v1::LeaseToken TokenOf(const Work& work) const;
  // What is to be settled without an attempt goes to `decided`.
  void AddWork(spool::v1::LeasedDelivery delivery, absl::Time now, Actions* actions,
               std::vector<std::pair<WorkPtr, AttemptReport>>* decided)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // How much credit to give now, if any; counts it as given.
  int TakeCredit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return works_.empty(); }
  bool HasNoSessions() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return sessions_.empty(); }

  std::shared_ptr<const Session::Environment> MakeSessionEnvironment(const Settings& settings);
  // Whether the delivery is given up: no other session may have it.
  bool IsGivenUp(const Work& work) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return lease_ == nullptr || !work.has_lease || is_draining_ ||
           work.revision != settings_->revision;
  }

  const Environment environment_;
  spool::Spool& spool_;
  net::IoThreads& threads_;
  Metrics& metrics_;
  const base::Clock& clock_;
  Settler settler_;

  mutable absl::Mutex mu_;
  std::shared_ptr<const Settings> settings_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Session::Environment> session_environment_ ABSL_GUARDED_BY(mu_);
  Dispatcher dispatcher_ ABSL_GUARDED_BY(mu_);
  Rounds rounds_ ABSL_GUARDED_BY(mu_);
  Pauses pauses_ ABSL_GUARDED_BY(mu_);
  std::vector<LeaseCommand> lease_commands_ ABSL_GUARDED_BY(mu_);
  bool is_telling_ ABSL_GUARDED_BY(mu_) = false;  // a thread carries commands out, in order
  absl::flat_hash_map<uint64_t, WorkPtr> works_ ABSL_GUARDED_BY(mu_);  // by delivery
  absl::flat_hash_map<SessionId, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<spool::LeaseStream> lease_ ABSL_GUARDED_BY(mu_);        // null: none is open
  std::shared_ptr<spool::LeaseStream> ended_lease_ ABSL_GUARDED_BY(mu_);  // freed by Tick
  uint64_t stream_number_ ABSL_GUARDED_BY(mu_) = 0;                       // of the newest stream
  int64_t credit_ ABSL_GUARDED_BY(mu_) = 0;                               // given and not used
  absl::Time opened_time_ ABSL_GUARDED_BY(mu_);
  absl::Time reopen_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Duration reopen_delay_ ABSL_GUARDED_BY(mu_);
  absl::Time sweep_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  bool reopens_when_idle_ ABSL_GUARDED_BY(mu_) = false;
  bool is_store_away_ ABSL_GUARDED_BY(mu_) = false;
  bool is_draining_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<Ticker> ticker_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_WORKER_H_
