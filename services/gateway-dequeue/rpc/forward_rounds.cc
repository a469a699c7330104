#include "services/gateway-dequeue/rpc/forward_rounds.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/observe/log.h"
#include "services/gateway-dequeue/core/decision.h"
#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

using google::protobuf::util::TimeUtil;

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kReleaseTimeout = absl::Seconds(30);

using PutResponse = absl::StatusOr<spool::v1::PutEntryResponse>;

std::string KeyOf(const Gateway& gateway) { return absl::StrCat("forward/", gateway.domain()); }

PutResponse Put(spool::SharedState& state, spool::v1::PutEntryRequest request,
                absl::Duration time_to_live) {
  *request.mutable_time_to_live_duration() =
      TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(time_to_live));
  return base::AwaitCall<PutResponse>([&](absl::AnyInvocable<void(PutResponse)> done) {
    state.Put(std::move(request), absl::Now() + kCallTimeout, std::move(done));
  });
}

}  // namespace

ForwardRounds::ForwardRounds(const Parts& parts, const Options& options)
    : parts_(parts),
      options_(options),
      ticker_(options.tick, [this](const base::Ticker& ticker) { Round(ticker); }) {}

// The entries of the shared state say which of the gateways were released when.
void ForwardRounds::TakeSettings() {
  std::shared_ptr<const Settings> settings = parts_.settings.Get();
  if (settings == settings_) return;
  settings_ = std::move(settings);
  due_.clear();
  for (const auto& [domain, gateway] : settings_->gateways.all()) {
    if (gateway->forward_every > absl::ZeroDuration() && !gateway->goes_to_asker()) {
      due_[gateway] = absl::InfinitePast();
    }
  }
}

void ForwardRounds::Round(const base::Ticker& ticker) {
  using Changed = absl::StatusOr<std::shared_ptr<const Overrides>>;
  TakeSettings();
  Changed overrides = absl::UnknownError("not read");
  for (auto& [gateway, look_time] : due_) {
    if (ticker.is_stopping()) return;
    const absl::Time now = absl::Now();
    if (now < look_time) continue;
    if (absl::IsUnknown(overrides.status())) {
      overrides = base::AwaitCall<Changed>(
          [this](OverridesReader::Callback done) { parts_.overrides.Read(std::move(done)); });
    }
    if (!overrides.ok()) return;  // the store is away
    if ((*overrides)->For(gateway->domain()).is_suspended()) continue;
    look_time = Look(*gateway, now);
  }
}

absl::Time ForwardRounds::Look(const Gateway& gateway, absl::Time now) {
  spool::v1::PutEntryRequest claim;
  claim.set_key(KeyOf(gateway));
  claim.set_if_absent(true);
  const PutResponse claimed =
      Put(parts_.state, std::move(claim), std::min(options_.claim_time, gateway.forward_every));
  if (absl::IsAborted(claimed.status())) return WhenFree(gateway, now);
  if (!claimed.ok()) return now + options_.retry_delay;
  const uint64_t version = claimed->entry().version();
  if (!Release(gateway).ok()) {
    spool::v1::DeleteEntryRequest give_up;
    give_up.set_key(KeyOf(gateway));
    give_up.set_if_version(version);
    parts_.state.Delete(std::move(give_up), absl::Now() + kCallTimeout,
                        [](absl::StatusOr<spool::v1::DeleteEntryResponse>) {});
    return now + options_.retry_delay;
  }
  spool::v1::PutEntryRequest keep;
  keep.set_key(KeyOf(gateway));
  keep.set_if_version(version);
  // Without it another release comes early, which does no harm.
  (void)Put(parts_.state, std::move(keep), gateway.forward_every);
  return now + gateway.forward_every;
}

absl::Time ForwardRounds::WhenFree(const Gateway& gateway, absl::Time now) {
  using GetResponse = absl::StatusOr<spool::v1::GetEntryResponse>;
  spool::v1::GetEntryRequest get;
  get.set_key(KeyOf(gateway));
  const GetResponse entry =
      base::AwaitCall<GetResponse>([&](absl::AnyInvocable<void(GetResponse)> done) {
        parts_.state.Get(std::move(get), absl::Now() + kCallTimeout, std::move(done));
      });
  if (absl::IsNotFound(entry.status())) return now;
  if (!entry.ok()) return now + options_.retry_delay;
  const absl::Time free_time =
      absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(entry->entry().expire_time()));
  // An interval that the configuration has made shorter counts from now.
  return std::clamp(free_time, now, now + gateway.forward_every);
}

absl::Status ForwardRounds::Release(const Gateway& gateway) {
  using Response = absl::StatusOr<spool::v1::ReleaseQueueResponse>;
  const absl::Time request_time = parts_.clock.Now();
  const Response released = base::AwaitCall<Response>([&](ReleaseJoiner::Callback done) {
    parts_.joiner.Release(gateway.domain(), EtrnRoute(gateway, ""), absl::Now() + kReleaseTimeout,
                          std::move(done));
  });
  if (!released.ok()) {
    parts_.metrics.CountRequest(Protocol::kInterval, Result::kError);
    TURNPIKE_LOG(kWarning, "not released at its interval",
                 {{"gateway", gateway.domain()}, {"status", released.status().ToString()}});
    return released.status();
  }
  const int64_t messages = released->released() + released->pending();
  parts_.metrics.CountRequest(Protocol::kInterval,
                              messages > 0 ? Result::kStarted : Result::kNoMail);
  TURNPIKE_LOG(kInfo, "released at its interval",
               {{"gateway", gateway.domain()}, {"messages", messages}});
  RecordLastRequest(
      parts_.state, gateway.domain(),
      MakeLastRequest("interval", "", request_time, EtrnReply(messages, gateway.domain())));
  return absl::OkStatus();
}

}  // namespace turnpike::dequeue
