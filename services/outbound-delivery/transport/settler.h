// Tells the spool what became of a delivery, and the log and the metrics.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SETTLER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SETTLER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/routing/domain_classes.h"
#include "services/outbound-delivery/core/retry_schedule.h"
#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/core/settlement.h"
#include "services/outbound-delivery/core/work.h"
#include "services/outbound-delivery/metrics.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::delivery {

// An attempt with what is known about how it went.
struct AttemptReport {
  Attempt attempt;
  RoutePlanPtr plan;  // not null
  // The host that was asked last; empty: none was. For asking others (DL-32).
  std::string host_name;
  absl::Duration connection_time;  // zero on a session that was there
  absl::Duration transmission_time;
  std::string tls;  // `TLSv1.3`; empty without TLS
};

// Thread-safe.
class Settler {
 public:
  // Of a configuration, immutable.
  struct Options {
    std::string host_name;
    std::shared_ptr<const routing::DomainClasses> classes;  // not null
    absl::Duration round;                                   // delivery.processing_interval (DL-8)
    // How long the spool's client tries to record an outcome, the store being away or not.
    absl::Duration record_time_max = absl::Minutes(15);
  };
  // The newest lease of a delivery.
  using TokenOf = std::function<spool::v1::LeaseToken(const Work&)>;
  // The delivery is no longer ours by this lease: its outcome is recorded, or never will be.
  using OnDone = std::function<void(const WorkPtr&, const spool::v1::LeaseToken&)>;

  // What it is built on outlives it and its callbacks, which may come until `spool` is gone.
  Settler(std::shared_ptr<const Options> options, spool::Spool& spool, Metrics& metrics,
          const base::Clock& clock, TokenOf token_of, OnDone on_done);

  // For what is settled from now on.
  void SetOptions(std::shared_ptr<const Options> options);

  // Notifications that are due are stored in the same commit. Returns at once; `on_done` is called
  // once, on any thread, perhaps before this returns.
  void Settle(WorkPtr work, AttemptReport report);

 private:
  // Content read for a notification.
  struct Head;

  void ReadHead(WorkPtr work, AttemptReport report, std::shared_ptr<const Options> options,
                SettleContext context);
  void ReadOn(const std::shared_ptr<Head>& head);
  void Record(const WorkPtr& work, const AttemptReport& report, const ContentHead& content,
              const SettleContext& context);
  void Send(const WorkPtr& work, const spool::v1::Settlement& settlement, int tries);
  void OnRecorded(const WorkPtr& work, const std::shared_ptr<spool::v1::Settlement>& settlement,
                  int tries, const absl::StatusOr<spool::v1::SettleOutcome>& outcome);
  void Count(const Work& work, const AttemptReport& report, const SettlementPlan& plan,
             absl::Time now);
  void Log(const Work& work, const AttemptReport& report, const SettlementPlan& plan,
           absl::Time now);

  std::shared_ptr<const Options> options() const;

  spool::Spool& spool_;
  Metrics& metrics_;
  const base::Clock& clock_;
  const TokenOf token_of_;
  const OnDone on_done_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const Options> options_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_SETTLER_H_
