// Failures on their way into the shared state: read, count, write if nobody else has meanwhile.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REPORTS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REPORTS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/screen/metrics.h"
#include "services/auth-service/screen/screen_rules.h"
#include "services/auth-service/screen/screen_view.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"
#include "services/common/base/gate.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::auth {

// What the shared state does not take because it is away waits in memory.
//
// Thread-safe. No call blocks, but for destruction, which waits for the calls in progress.
class ScreenReports {
 public:
  struct Options {
    const base::Current<ScreenSettings>& settings;
    absl::Duration call_timeout;
    size_t calls_max;
  };
  // The others outlive this.
  ScreenReports(Options options, spool::SharedState& state, ScreenView& view,
                ScreenMetrics& metrics, const base::Clock& clock);
  ~ScreenReports();

  void Failure(const LoginAttempt& attempt);
  void DisallowedAuth(const net::IpAddress& client);

  // The shared state is there: what it did not take while it was away is tried again.
  void RetryWaiting();

  // Writes an operator's entry, whatever is there.
  using PutDone = absl::AnyInvocable<void(absl::Status)>;
  void Put(const net::IpNetwork& network, const BlockRecord& block, PutDone done);
  // Forgets the network and its failures. NOT_FOUND when it is not blocked.
  void Remove(const net::IpNetwork& network, PutDone done);

 private:
  enum class Step { kWatch, kBlock, kCountAccount, kTellOthers };
  struct Report {
    net::IpNetwork network;
    std::string user;  // empty: no account's failure
    uint32_t mark = 0;
    const char* reason = nullptr;           // of the block, if there is one
    prometheus::Counter* blocks = nullptr;  // counts it
    int tries = 0;
    Step step = Step::kTellOthers;  // where to begin again
  };
  using Shared = std::shared_ptr<Report>;

  void Watch(Shared report);
  void OnWatch(Shared report, absl::StatusOr<spool::v1::GetEntryResponse> found);
  void Block(Shared report);
  void OnBlock(Shared report, absl::StatusOr<spool::v1::GetEntryResponse> found);
  void Blocked(Shared report, const BlockRecord& block);
  void CountAccount(Shared report);
  void Limit(Shared report, absl::Time until);
  void TellOthers(Shared report);
  void End(const Shared& report, const absl::Status& status);
  void Begin(Shared report);

  // False: as many networks are watched by this replica as it may; or already watched.
  bool TryWatch(const net::IpNetwork& network, absl::Time now);

  std::shared_ptr<const ScreenSettings> settings() const { return options_.settings.Get(); }
  absl::Time deadline() const { return absl::Now() + options_.call_timeout; }

  const Options options_;
  spool::SharedState& state_;
  ScreenView& view_;
  ScreenMetrics& metrics_;
  const base::Clock& clock_;
  base::Gate gate_;  // a report is inside until its last call is answered
  absl::Mutex mu_;
  absl::flat_hash_map<net::IpNetwork, absl::Time> watched_ ABSL_GUARDED_BY(mu_);  // until when
  std::vector<Shared> waiting_ ABSL_GUARDED_BY(mu_);  // for the shared state; outside of the gate
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REPORTS_H_
