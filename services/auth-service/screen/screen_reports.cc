#include "services/auth-service/screen/screen_reports.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "services/auth-service/screen/screen_keys.h"
#include "services/common/observe/log.h"

namespace turnpike::auth {
namespace {

using spool::v1::AddToEntryRequest;
using spool::v1::AddToEntryResponse;
using spool::v1::DeleteEntryRequest;
using spool::v1::DeleteEntryResponse;
using spool::v1::GetEntryRequest;
using spool::v1::GetEntryResponse;
using spool::v1::PutEntryRequest;
using spool::v1::PutEntryResponse;

constexpr int kTriesMax = 20;  // at a record that others change at the same time

void SetDuration(absl::Duration duration, google::protobuf::Duration* proto) {
  *proto = google::protobuf::util::TimeUtil::NanosecondsToDuration(
      absl::ToInt64Nanoseconds(std::max(duration, absl::Milliseconds(1))));
}

PutEntryRequest MakePut(std::string key, std::string value,
                        std::optional<absl::Duration> time_to_live) {
  PutEntryRequest request;
  request.set_key(std::move(key));
  request.set_value(std::move(value));
  if (time_to_live) SetDuration(*time_to_live, request.mutable_time_to_live_duration());
  return request;
}

// The write counts only if the entry is still as it was read.
void SetPrecondition(const absl::StatusOr<GetEntryResponse>& found, PutEntryRequest& request) {
  if (found.ok()) {
    request.set_if_version(found->entry().version());
  } else {
    request.set_if_absent(true);
  }
}

GetEntryRequest MakeGet(std::string key) {
  GetEntryRequest request;
  request.set_key(std::move(key));
  return request;
}

DeleteEntryRequest MakeDelete(std::string key) {
  DeleteEntryRequest request;
  request.set_key(std::move(key));
  return request;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time));
}

}  // namespace

ScreenReports::ScreenReports(Options options, spool::SharedState& state, ScreenView& view,
                             ScreenMetrics& metrics, const base::Clock& clock)
    : options_(std::move(options)), state_(state), view_(view), metrics_(metrics), clock_(clock) {}

ScreenReports::~ScreenReports() {
  gate_.Close();
  gate_.WaitUntil(absl::InfiniteFuture());
}

void ScreenReports::Failure(const LoginAttempt& attempt) {
  const absl::StatusOr<net::IpAddress> client = net::IpAddress::Parse(attempt.client_address);
  if (gate_.inside() >= options_.calls_max || !gate_.TryEnter()) {
    metrics_.dropped.Increment();
    return;
  }
  const std::shared_ptr<const ScreenSettings> now = settings();
  const bool is_watched = client.ok() && now->rules.is_enabled && !now->rules.IsAllowed(*client);
  auto report = std::make_shared<Report>(Report{
      .network = ScreenedNetwork(client.ok() ? *client : net::IpAddress()),
      .user = attempt.user,
      .mark = MarkOf(attempt),
      .reason = "failed logins",
      .blocks = &metrics_.blocked_for_failures,
  });
  if (!is_watched) return CountAccount(std::move(report));
  Watch(std::move(report));
}

void ScreenReports::DisallowedAuth(const net::IpAddress& client) {
  const std::shared_ptr<const ScreenSettings> now = settings();
  if (!now->rules.is_enabled || now->rules.IsAllowed(client)) return;
  if (gate_.inside() >= options_.calls_max || !gate_.TryEnter()) {
    metrics_.dropped.Increment();
    return;
  }
  Block(std::make_shared<Report>(Report{
      .network = ScreenedNetwork(client),
      .reason = "AUTH where it is not allowed",
      .blocks = &metrics_.blocked_for_disallowed_auth,
  }));
}

bool ScreenReports::TryWatch(const net::IpNetwork& network, absl::Time now) {
  const size_t blocked = view_.block_count();
  const std::shared_ptr<const ScreenSettings> current = settings();
  const ScreenRules& rules = current->rules;
  absl::MutexLock lock(&mu_);
  if (blocked + watched_.size() >= rules.entries_max && !watched_.contains(network)) {
    absl::erase_if(watched_, [now](const auto& item) { return item.second <= now; });
    if (blocked + watched_.size() >= rules.entries_max) return false;
  }
  watched_[network] = now + rules.window;
  return true;
}

void ScreenReports::RetryWaiting() {
  std::vector<Shared> waiting;
  {
    absl::MutexLock lock(&mu_);
    waiting.swap(waiting_);
  }
  for (Shared& report : waiting) {
    if (gate_.TryEnter()) Begin(std::move(report));
  }
}

void ScreenReports::Begin(Shared report) {
  switch (report->step) {
    case Step::kWatch:
      return Watch(std::move(report));
    case Step::kBlock:
      return Block(std::move(report));
    case Step::kCountAccount:
      return CountAccount(std::move(report));
    case Step::kTellOthers:
      return TellOthers(std::move(report));
  }
}

void ScreenReports::Watch(Shared report) {
  report->step = Step::kWatch;
  if (!TryWatch(report->network, clock_.Now())) {
    metrics_.dropped.Increment();
    return CountAccount(std::move(report));
  }
  std::string key = WatchKey(report->network);
  state_.Get(MakeGet(std::move(key)), deadline(),
             [this, report = std::move(report)](absl::StatusOr<GetEntryResponse> found) mutable {
               OnWatch(std::move(report), std::move(found));
             });
}

void ScreenReports::OnWatch(Shared report, absl::StatusOr<GetEntryResponse> found) {
  if (!found.ok() && !absl::IsNotFound(found.status())) return End(report, found.status());
  WatchRecord watch;
  if (found.ok() && !watch.ParseFromString(found->entry().value())) watch.Clear();
  const std::shared_ptr<const ScreenSettings> current = settings();
  switch (AddFailure(current->rules, report->mark, clock_.Now(), watch)) {
    case FailureEffect::kRepeated:
      metrics_.repeated.Increment();
      return End(report, absl::OkStatus());
    case FailureEffect::kBlocks:
      metrics_.counted.Increment();
      state_.Delete(MakeDelete(WatchKey(report->network)), deadline(),
                    [this, report](absl::StatusOr<DeleteEntryResponse>) { Block(report); });
      return;
    case FailureEffect::kCounted:
      break;
  }
  PutEntryRequest put =
      MakePut(WatchKey(report->network), watch.SerializeAsString(), current->rules.window);
  SetPrecondition(found, put);
  state_.Put(std::move(put), deadline(),
             [this, report = std::move(report)](absl::StatusOr<PutEntryResponse> done) mutable {
               if (absl::IsAborted(done.status()) && ++report->tries < kTriesMax) {
                 return Watch(std::move(report));
               }
               if (!done.ok()) return End(report, done.status());
               metrics_.counted.Increment();
               CountAccount(std::move(report));
             });
}

void ScreenReports::Block(Shared report) {
  report->step = Step::kBlock;
  std::string key = BlockKey(report->network);
  state_.Get(MakeGet(std::move(key)), deadline(),
             [this, report = std::move(report)](absl::StatusOr<GetEntryResponse> found) mutable {
               OnBlock(std::move(report), std::move(found));
             });
}

void ScreenReports::OnBlock(Shared report, absl::StatusOr<GetEntryResponse> found) {
  if (!found.ok() && !absl::IsNotFound(found.status())) return End(report, found.status());
  const absl::Time now = clock_.Now();
  std::optional<BlockRecord> earlier;
  if (found.ok()) {
    earlier.emplace();
    if (!earlier->ParseFromString(found->entry().value())) earlier.reset();
  }
  // Another replica, or an operator, has come first: once is enough.
  if (earlier.has_value() && IsInForce(*earlier, now)) return Blocked(std::move(report), *earlier);
  const std::shared_ptr<const ScreenSettings> current = settings();
  const BlockRecord block = NextBlock(current->rules, earlier, report->reason, now);
  PutEntryRequest put = MakePut(BlockKey(report->network), block.SerializeAsString(),
                                TimeToKeep(current->rules, block, now));
  SetPrecondition(found, put);
  state_.Put(
      std::move(put), deadline(),
      [this, report = std::move(report), block](absl::StatusOr<PutEntryResponse> done) mutable {
        if (absl::IsAborted(done.status()) && ++report->tries < kTriesMax) {
          return Block(std::move(report));
        }
        if (!done.ok()) return End(report, done.status());
        report->blocks->Increment();
        TURNPIKE_LOG(kInfo, "network blocked",
                     {{"network", report->network.ToString()},
                      {"reason", block.reason()},
                      {"times", block.times()},
                      {"seconds", block.end_time() - block.begin_time()}});
        Blocked(std::move(report), block);
      });
}

void ScreenReports::Blocked(Shared report, const BlockRecord& block) {
  view_.SetBlock(report->network, block, clock_.Now());
  {
    absl::MutexLock lock(&mu_);
    watched_.erase(report->network);
  }
  state_.Put(MakePut(std::string(kScreenChangeKey), "", std::nullopt), deadline(),
             [this, report = std::move(report)](absl::StatusOr<PutEntryResponse>) mutable {
               CountAccount(std::move(report));
             });
}

void ScreenReports::CountAccount(Shared report) {
  report->step = Step::kCountAccount;
  if (report->user.empty()) return End(report, absl::OkStatus());
  AddToEntryRequest add;
  add.set_key(FailuresKey(AccountDigest(report->user)));
  add.set_delta(1);
  SetDuration(settings()->account_failures_window, add.mutable_time_to_live_duration());
  state_.Add(std::move(add), deadline(),
             [this, report = std::move(report)](absl::StatusOr<AddToEntryResponse> done) mutable {
               if (!done.ok()) return End(report, done.status());
               const int64_t failures_max = settings()->account_failures_max;
               if (done->value() < failures_max) return End(report, absl::OkStatus());
               if (done->value() == failures_max) {
                 metrics_.account_limits.Increment();
                 TURNPIKE_LOG(kWarning, "account fails too often",
                              {{"account", observe::LogAddress(report->user)}});
               }
               Limit(std::move(report), FromProto(done->entry().expire_time()));
             });
}

void ScreenReports::Limit(Shared report, absl::Time until) {
  const std::string digest = AccountDigest(report->user);
  view_.SetLimit(digest, until);
  state_.Put(MakePut(LimitKey(digest), "", until - clock_.Now()), deadline(),
             [this, report = std::move(report)](absl::StatusOr<PutEntryResponse> done) mutable {
               if (!done.ok()) return End(report, done.status());
               TellOthers(std::move(report));
             });
}

void ScreenReports::TellOthers(Shared report) {
  report->step = Step::kTellOthers;
  state_.Put(MakePut(std::string(kScreenChangeKey), "", std::nullopt), deadline(),
             [this, report = std::move(report)](absl::StatusOr<PutEntryResponse> done) {
               End(report, done.status());
             });
}

void ScreenReports::End(const Shared& report, const absl::Status& status) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    metrics_.error.Increment();
    absl::MutexLock lock(&mu_);
    if (waiting_.size() < options_.calls_max) {
      waiting_.push_back(report);
    } else {
      metrics_.dropped.Increment();
    }
  } else if (!status.ok()) {
    metrics_.dropped.Increment();
    TURNPIKE_LOG(kDebug, "failed login not counted",
                 {{"network", report->network.ToString()}, {"error", status.ToString()}});
  }
  gate_.Leave();
}

void ScreenReports::Put(const net::IpNetwork& network, const BlockRecord& block, PutDone done) {
  if (!gate_.TryEnter()) return done(absl::UnavailableError("shutting down"));
  const auto put = MakePut(BlockKey(network), block.SerializeAsString(),
                           TimeToKeep(settings()->rules, block, clock_.Now()));
  state_.Put(put, deadline(),
             [this, network, block,
              done = std::move(done)](absl::StatusOr<PutEntryResponse> written) mutable {
               if (!written.ok()) {
                 done(written.status());
                 gate_.Leave();
                 return;
               }
               view_.SetBlock(network, block, clock_.Now());
               metrics_.blocked_by_operator.Increment();
               done(absl::OkStatus());
               TellOthers(std::make_shared<Report>(Report{.network = network}));
             });
}

void ScreenReports::Remove(const net::IpNetwork& network, PutDone done) {
  if (!gate_.TryEnter()) return done(absl::UnavailableError("shutting down"));
  auto report = std::make_shared<Report>(Report{.network = network});
  const auto forget = [this, report](PutDone done) {
    state_.Delete(MakeDelete(BlockKey(report->network)), deadline(),
                  [this, report,
                   done = std::move(done)](absl::StatusOr<DeleteEntryResponse> deleted) mutable {
                    if (!deleted.ok()) {
                      done(deleted.status());
                      gate_.Leave();
                      return;
                    }
                    view_.RemoveBlock(report->network);
                    state_.Delete(MakeDelete(WatchKey(report->network)), deadline(),
                                  [this, report, done = std::move(done)](
                                      absl::StatusOr<DeleteEntryResponse> last) mutable {
                                    done(last.status());
                                    TellOthers(report);
                                  });
                  });
  };
  state_.Get(
      MakeGet(BlockKey(network)), deadline(),
      [this, forget, done = std::move(done)](absl::StatusOr<GetEntryResponse> found) mutable {
        BlockRecord block;
        if (found.ok() && block.ParseFromString(found->entry().value()) &&
            IsInForce(block, clock_.Now())) {
          return forget(std::move(done));
        }
        const bool is_absent = found.ok() || absl::IsNotFound(found.status());
        done(is_absent ? absl::NotFoundError("not blocked") : found.status());
        gate_.Leave();
      });
}

}  // namespace turnpike::auth
