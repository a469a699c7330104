// Keeps a replica's view of the screen in step with the shared state.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REFRESHER_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REFRESHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/screen/metrics.h"
#include "services/auth-service/screen/screen_rules.h"
#include "services/auth-service/screen/screen_view.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::auth {

// A thread of its own. Looks every `interval` whether anything has changed (the settings too), and
// reads all of it if so, or once a minute; never for more than a tenth of the time.
class ScreenRefresher {
 public:
  struct Options {
    const base::Current<ScreenSettings>& settings;
    absl::Duration interval;
    absl::Duration call_timeout;
    std::function<void()> on_success;  // called on the thread, each time it has looked
  };
  // Reads everything once before it returns, if the shared state answers. The others outlive this.
  ScreenRefresher(Options options, spool::SharedState& state, ScreenView& view,
                  ScreenMetrics& metrics, const base::Clock& clock);
  // Waits for the call in progress.
  ~ScreenRefresher();

 private:
  void Run();
  absl::Status Refresh();
  absl::Status ReadAll(const ScreenRules& rules);

  const Options options_;
  spool::SharedState& state_;
  ScreenView& view_;
  ScreenMetrics& metrics_;
  const base::Clock& clock_;
  // Of the thread.
  std::shared_ptr<const ScreenSettings> seen_settings_;
  std::optional<uint64_t> seen_change_;
  absl::Time read_time_ = absl::InfinitePast();
  bool is_failing_ = false;

  absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_REFRESHER_H_
