#include "services/gateway-dequeue/rpc/suspension_watch.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"

namespace turnpike::dequeue {

SuspensionWatch::SuspensionWatch(const Parts& parts, DequeueService& service,
                                 const Options& options)
    : parts_(parts),
      service_(service),
      options_(options),
      ticker_(options.interval, [this](const base::Ticker&) { Round(); }) {}

void SuspensionWatch::Round() {
  using Changed = absl::StatusOr<std::shared_ptr<const Overrides>>;
  if (!service_.has_sessions() && absl::Now() < next_count_) return;
  const Changed overrides = base::AwaitCall<Changed>(
      [this](OverridesReader::Callback done) { parts_.overrides.Read(std::move(done)); });
  if (!overrides.ok()) return;  // the store is away, and the sessions' locks with it
  next_count_ = absl::Now() + options_.idle_interval;
  const std::shared_ptr<const Settings> settings = parts_.settings.Get();
  int suspended = 0;
  for (const auto& [domain, changed] : (*overrides)->all()) {
    // Entries of gateways that the configuration no longer has are left alone.
    if (!changed.is_suspended() || settings->gateways.Find(absl::string_view(domain)) == nullptr) {
      continue;
    }
    ++suspended;
    service_.RevokeSessionsOf(domain);
  }
  parts_.metrics.suspended_gateways.Set(suspended);
}

}  // namespace turnpike::dequeue
