#include "services/gateway-dequeue/rpc/retention_rounds.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/observe/log.h"
#include "services/gateway-dequeue/core/expiry.h"
#include "services/gateway-dequeue/rpc/session_lock.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::dequeue {
namespace {

using google::protobuf::util::TimeUtil;

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kWaitStep = absl::Milliseconds(200);  // between two looks at the ticker
constexpr int kCredit = 16;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(time));
}

}  // namespace

// The deliveries of one lease stream.
class RetentionRounds::Feed : public spool::LeaseStream::Handler {
 public:
  void OnLeased(spool::v1::LeaseResponse response) override {
    absl::MutexLock lock(&mu_);
    for (spool::v1::LeasedDelivery& delivery : *response.mutable_deliveries()) {
      waiting_.push_back(std::move(delivery));
    }
    is_drained_ = response.drained();
  }
  void OnShardLost(uint32_t shard, const absl::Status&) override {
    absl::MutexLock lock(&mu_);
    std::erase_if(waiting_, [shard](const spool::v1::LeasedDelivery& delivery) {
      return spool::ShardOf(delivery.token().delivery_id()) == shard;
    });
  }
  void OnClosed(absl::Status) override {
    absl::MutexLock lock(&mu_);
    is_closed_ = true;
  }
  void ExpectMore() {
    absl::MutexLock lock(&mu_);
    is_drained_ = false;
  }

  // The next delivery; nothing when there is none, or none has come in time.
  std::optional<spool::v1::LeasedDelivery> Next(const base::Ticker& ticker,
                                                absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    absl::MutexLock lock(&mu_);
    while (waiting_.empty() && !is_drained_ && !is_closed_ && absl::Now() < deadline) {
      if (ticker.is_stopping()) return std::nullopt;
      mu_.AwaitWithTimeout(absl::Condition(this, &Feed::HasNews), kWaitStep);
    }
    if (waiting_.empty() || is_closed_) return std::nullopt;
    spool::v1::LeasedDelivery delivery = std::move(waiting_.front());
    waiting_.pop_front();
    return delivery;
  }

 private:
  bool HasNews() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !waiting_.empty() || is_drained_ || is_closed_;
  }

  absl::Mutex mu_;
  std::deque<spool::v1::LeasedDelivery> waiting_ ABSL_GUARDED_BY(mu_);
  bool is_drained_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

RetentionRounds::RetentionRounds(const Parts& parts, const Options& options)
    : parts_(parts),
      options_(options),
      ticker_(options.tick, [this](const base::Ticker& ticker) { Round(ticker); }) {}

void RetentionRounds::TakeSettings() {
  std::shared_ptr<const Settings> settings = parts_.settings.Get();
  if (settings == settings_) return;
  settings_ = std::move(settings);
  due_.clear();
  for (const auto& [domain, gateway] : settings_->gateways.all()) {
    if (gateway->retention > absl::ZeroDuration()) due_[gateway] = absl::InfinitePast();
  }
}

void RetentionRounds::Round(const base::Ticker& ticker) {
  TakeSettings();
  for (auto& [gateway, look_time] : due_) {
    if (ticker.is_stopping()) return;
    if (absl::Now() < look_time) continue;
    look_time = absl::Now() + std::min(options_.interval_max, gateway->retention / 4);
    const absl::Time cutoff = parts_.clock.Now() - gateway->retention;
    if (MayHaveExpired(*gateway, cutoff)) Sweep(*gateway, cutoff, ticker);
  }
}

bool RetentionRounds::MayHaveExpired(const Gateway& gateway, absl::Time cutoff) {
  using Response = absl::StatusOr<spool::v1::GetQueueResponse>;
  spool::v1::GetQueueRequest request;
  request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  request.mutable_queue()->set_name(gateway.domain());
  const Response response = base::AwaitCall<Response>([&](absl::AnyInvocable<void(Response)> done) {
    parts_.spool.GetQueue(std::move(request), absl::Now() + kCallTimeout, std::move(done));
  });
  // The time of the oldest is rounded down.
  return response.ok() && response->stats().held() > 0 && response->stats().has_oldest_time() &&
         ToTime(response->stats().oldest_time()) < cutoff;
}

void RetentionRounds::Sweep(const Gateway& gateway, absl::Time cutoff, const base::Ticker& ticker) {
  using Lock = absl::StatusOr<std::shared_ptr<SessionLock>>;
  const Lock lock = base::AwaitCall<Lock>([&](SessionLock::AcquiredCallback done) {
    // If the lock is lost two replicas return mail at a time, and still no message twice: the
    // store leases each to one of them.
    SessionLock::Acquire(
        parts_.state,
        {.key = absl::StrCat("retention/", gateway.domain()),
         .value = base::MessageId::Generate(absl::Now()).ToString(),
         .time_to_live = parts_.lock_time_to_live},
        [] {}, std::move(done));
  });
  if (!lock.ok()) return;
  spool::v1::LeaseOpen open;
  open.set_worker(absl::StrCat("gateway-dequeue/retention/", gateway.domain()));
  spool::v1::QueueScope* scope = open.mutable_queue();
  scope->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  scope->mutable_queue()->set_name(gateway.domain());
  for (const smtp::DomainName& name : gateway.names) scope->add_recipient_domains(name.ascii());
  scope->set_grant("retention");
  *scope->mutable_received_before() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(cutoff));
  auto feed = std::make_shared<Feed>();
  const std::unique_ptr<spool::LeaseStream> stream = parts_.spool.OpenLease(std::move(open), feed);
  stream->AddCredit(kCredit);
  while (const auto delivery = feed->Next(ticker, options_.stall_time)) {
    // What is not ours to return stays leased until the stream ends, lest it come again at once.
    if (delivery->held() && ToTime(delivery->received_time()) < cutoff) {
      Return(gateway, *delivery);
    }
    feed->ExpectMore();
    stream->AddCredit(1);
  }
  (*lock)->Release();
}

absl::StatusOr<std::string> RetentionRounds::ReadBeginning(
    const spool::v1::LeasedDelivery& delivery) {
  if (!delivery.inline_content().empty() || delivery.content_bytes() == 0) {
    return delivery.inline_content();
  }
  using Piece = absl::StatusOr<std::string>;
  const std::unique_ptr<spool::ContentReader> reader =
      parts_.spool.ReadContent(delivery.token().delivery_id(), delivery.message_id());
  return base::AwaitCall<Piece>(
      [&](spool::ContentReader::NextCallback done) { reader->Next(std::move(done)); });
}

void RetentionRounds::Return(const Gateway& gateway, const spool::v1::LeasedDelivery& delivery) {
  const absl::StatusOr<std::string> content = ReadBeginning(delivery);
  // Mail whose content is damaged is returned without it; a store that is away ends the stream.
  const bool is_gone = absl::IsNotFound(content.status()) || absl::IsDataLoss(content.status());
  if (!content.ok() && !is_gone) return;
  const absl::Time now = parts_.clock.Now();
  const absl::string_view beginning = content.ok() ? absl::string_view(*content) : "";
  spool::v1::Settlement settlement = ReturnExpired(delivery, beginning,
                                                   {.host_name = settings_->host_name,
                                                    .now = now,
                                                    .retention = gateway.retention,
                                                    .classes = settings_->domain_classes,
                                                    .report_id = base::MessageId::Generate(now)});
  const bool has_report = settlement.follow_ups_size() > 0;
  using Outcome = absl::StatusOr<spool::v1::SettleOutcome>;
  const Outcome outcome = base::AwaitCall<Outcome>([&](spool::Spool::SettleCallback done) {
    parts_.spool.Settle(std::move(settlement), absl::Now() + kCallTimeout, std::move(done));
  });
  if (!outcome.ok() || *outcome != spool::v1::SETTLE_OUTCOME_SETTLED) {
    // It is held as before, or somebody else's: the next round sees.
    TURNPIKE_LOG(kWarning, "expired mail not returned",
                 {{"gateway", gateway.domain()},
                  {"delivery", delivery.token().delivery_id()},
                  {"status", outcome.status().ToString()}});
    return;
  }
  parts_.metrics.expired_messages.Increment();
  const absl::StatusOr<base::MessageId> id = base::MessageId::FromBytes(delivery.message_id());
  TURNPIKE_LOG(kInfo, "held for too long, returned",
               {{"gateway", gateway.domain()},
                {"message", id.ok() ? id->ToString() : ""},
                {"delivery", delivery.token().delivery_id()},
                {"recipients", delivery.recipients_size()},
                {"report", has_report}});
}

}  // namespace turnpike::dequeue
