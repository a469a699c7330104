#include "services/gateway-dequeue/collect/entry.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/gauge.h"
#include "services/common/base/random.h"
#include "services/common/net/await.h"
#include "services/common/net/await_token.h"
#include "services/common/observe/log.h"

namespace turnpike::dequeue {
namespace {

using google::protobuf::util::TimeUtil;

constexpr absl::Duration kCallTimeout = absl::Seconds(5);

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

RunHistory HistoryOf(const v1::RequestState& state) {
  RunHistory history{.failures = state.failures()};
  if (state.has_last_run()) {
    history.last_end =
        absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(state.last_run().end_time()));
  }
  return history;
}

// Clears what is there while a run is in progress.
class Mark {
 public:
  Mark(bool* flag, prometheus::Gauge& gauge) : flag_(flag), gauge_(gauge) {
    *flag_ = true;
    gauge_.Set(1);
  }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() {
    *flag_ = false;
    gauge_.Set(0);
  }

 private:
  bool* const flag_;
  prometheus::Gauge& gauge_;
};

}  // namespace

Entry::Entry(Options options, std::unique_ptr<Errand> errand, const Parts& parts,
             asio::any_io_executor executor)
    : options_(std::move(options)),
      errand_(std::move(errand)),
      parts_(parts),
      series_(parts.metrics.ForName(options_.kind, options_.name)),
      start_time_(parts.clock.Now()),
      executor_(std::move(executor)),
      timer_(executor_) {}

std::string Entry::StateKey() const {
  return absl::StrCat(RunKindName(options_.kind), "/", options_.name);
}

std::string Entry::LockKey() const {
  return absl::StrCat(RunKindName(options_.kind), "-lock/", options_.host, ":", options_.port);
}

std::optional<absl::Time> Entry::NextRun(const v1::RequestState& state) const {
  return options_.schedule.NextRun(options_.name, HistoryOf(state), start_time_);
}

// --- When ---

asio::awaitable<void> Entry::Loop(std::shared_ptr<Entry> self) {
  while (!self->is_retired_) {
    absl::Duration wait = self->options_.retry_interval;
    const absl::StatusOr<v1::RequestState> state = co_await self->Load();
    if (state.ok()) {
      const absl::Time now = self->parts_.clock.Now();
      const std::optional<absl::Time> next = self->NextRun(*state);
      if (next.has_value() && *next <= now && !self->is_retired_) {
        const absl::StatusOr<std::optional<ErrandResult>> result =
            co_await self->TryRun(/*only_if_due=*/true);
        if (result.ok()) continue;
      } else {
        wait = std::min(self->options_.poll_interval, next.value_or(absl::InfiniteFuture()) - now);
      }
    }
    if (self->is_retired_) co_return;
    // A little late rather than early, so that it is due when the timer fires.
    self->timer_.expires_after(absl::ToChronoMilliseconds(wait) + std::chrono::milliseconds(1));
    co_await self->timer_.async_wait(net::kAwait);
  }
}

void Entry::Retire() {
  is_retired_ = true;
  timer_.cancel();
}

void Entry::Stop() {
  is_stopping_ = true;
  Retire();
  if (is_running_) errand_->Cancel();
}

void Entry::GiveUpLock() {
  if (lock_ != nullptr) lock_->Release();
  lock_ = nullptr;
}

// --- A run ---

asio::awaitable<absl::StatusOr<ErrandResult>> Entry::RunNow(std::shared_ptr<Entry> self) {
  absl::StatusOr<std::optional<ErrandResult>> result = co_await self->TryRun(/*only_if_due=*/false);
  if (!result.ok()) co_return result.status();
  self->timer_.cancel();  // what is due next has changed
  co_return **std::move(result);
}

asio::awaitable<absl::StatusOr<std::optional<ErrandResult>>> Entry::TryRun(bool only_if_due) {
  if (is_stopping_) co_return absl::UnavailableError("gateway-dequeue is shutting down");
  if (is_running_) co_return absl::AbortedError("it runs already");
  const Mark mark(&is_running_, series_->running);
  const std::string run_id = absl::StrCat(absl::Hex(base::RandomUint64() >> 16, absl::kZeroPad12));
  LockOr lock = co_await Lock(run_id);
  if (!lock.ok()) {
    if (!absl::IsAborted(lock.status())) co_return lock.status();
    co_return absl::AbortedError("it runs already, or another one is with the same server");
  }
  lock_ = *std::move(lock);
  absl::StatusOr<std::optional<ErrandResult>> result = co_await RunLocked(only_if_due, run_id);
  co_await Unlock();
  co_return result;
}

asio::awaitable<absl::StatusOr<std::optional<ErrandResult>>> Entry::RunLocked(bool only_if_due,
                                                                              std::string run_id) {
  absl::StatusOr<v1::RequestState> state = co_await Load();
  if (!state.ok()) co_return state.status();
  const absl::Time begin_time = parts_.clock.Now();
  const std::optional<absl::Time> next = NextRun(*state);
  // Another replica was faster.
  if (only_if_due && (!next.has_value() || *next > begin_time)) co_return std::nullopt;
  if (is_stopping_) co_return absl::UnavailableError("gateway-dequeue is shutting down");
  ErrandResult result = co_await errand_->Run(run_id);
  // Ended by us: whoever comes next begins anew.
  if (is_stopping_) co_return absl::UnavailableError("gateway-dequeue is shutting down");
  *result.run.mutable_begin_time() = ToTimestamp(begin_time);
  *result.run.mutable_end_time() = ToTimestamp(parts_.clock.Now());
  parts_.metrics.CountRun(*series_, result.run);
  LogEnd(run_id, result);
  *state->mutable_last_run() = result.run;
  state->mutable_last_replies()->Assign(result.replies.begin(), result.replies.end());
  state->set_failures(IsFailure(result.run.ending()) ? state->failures() + 1 : 0);
  const absl::Status saved = co_await Save(*state);
  if (!saved.ok()) co_return saved;
  co_return std::optional<ErrandResult>(std::move(result));
}

asio::awaitable<Entry::LockOr> Entry::Lock(std::string run_id) {
  const auto on_lost = [weak = weak_from_this(), executor = executor_] {
    asio::post(executor, [weak] {
      const std::shared_ptr<Entry> self = weak.lock();
      if (self != nullptr && self->is_running_) self->errand_->Cancel();
    });
  };
  net::StartOperation<LockOr> start = [&](SessionLock::AcquiredCallback done) {
    SessionLock::Acquire(parts_.state,
                         {.key = LockKey(),
                          .value = absl::StrCat(options_.name, " ", run_id),
                          .time_to_live = options_.lock_time_to_live},
                         on_lost, std::move(done));
  };
  co_return co_await net::Await<LockOr>(std::move(start));
}

asio::awaitable<void> Entry::Unlock() {
  if (lock_ == nullptr) co_return;
  net::StartOperation<bool> start = [this](absl::AnyInvocable<void(bool)> done) {
    lock_->Release([done = std::move(done)]() mutable { done(true); });
  };
  co_await net::Await<bool>(std::move(start));
  lock_ = nullptr;
}

void Entry::LogEnd(const std::string& run_id, const ErrandResult& result) const {
  TURNPIKE_LOG(kInfo, "run ended",
               {{"kind", RunKindName(options_.kind)},
                {"name", options_.name},
                {"run", run_id},
                {"host", options_.host},
                {"result", RunEndingLabel(result.run.ending())},
                {"code", static_cast<int>(result.run.reply().code())},
                {"reply", result.run.reply().text()},
                {"messages", int64_t{result.run.messages()}},
                {"refused", int64_t{result.run.refused()}},
                {"detail", result.run.detail()}});
}

// --- What is remembered ---

asio::awaitable<absl::StatusOr<v1::RequestState>> Entry::Load() {
  using Response = absl::StatusOr<spool::v1::GetEntryResponse>;
  net::StartOperation<Response> start =
      [this](spool::SharedState::Callback<spool::v1::GetEntryResponse> done) {
        spool::v1::GetEntryRequest request;
        request.set_key(StateKey());
        parts_.state.Get(std::move(request), absl::Now() + kCallTimeout, std::move(done));
      };
  const Response response = co_await net::Await<Response>(std::move(start));
  v1::RequestState state;
  if (response.ok()) {
    // What cannot be read was written by a newer one; it is as good as none.
    if (!state.ParseFromString(response->entry().value())) state.Clear();
  } else if (!absl::IsNotFound(response.status())) {
    co_return response.status();
  }
  RunMetrics::Show(HistoryOf(state), *series_);
  co_return state;
}

asio::awaitable<absl::Status> Entry::Save(v1::RequestState state) {
  using Response = absl::StatusOr<spool::v1::PutEntryResponse>;
  net::StartOperation<Response> start =
      [&](spool::SharedState::Callback<spool::v1::PutEntryResponse> done) {
        spool::v1::PutEntryRequest request;
        request.set_key(StateKey());
        request.set_value(state.SerializeAsString());
        parts_.state.Put(std::move(request), absl::Now() + kCallTimeout, std::move(done));
      };
  const Response response = co_await net::Await<Response>(std::move(start));
  RunMetrics::Show(HistoryOf(state), *series_);
  co_return response.status();
}

asio::awaitable<absl::StatusOr<bool>> Entry::IsRunningAnywhere() {
  using Response = absl::StatusOr<spool::v1::GetEntryResponse>;
  net::StartOperation<Response> start =
      [this](spool::SharedState::Callback<spool::v1::GetEntryResponse> done) {
        spool::v1::GetEntryRequest request;
        request.set_key(LockKey());
        parts_.state.Get(std::move(request), absl::Now() + kCallTimeout, std::move(done));
      };
  const Response response = co_await net::Await<Response>(std::move(start));
  if (absl::IsNotFound(response.status())) co_return false;
  if (!response.ok()) co_return response.status();
  co_return absl::StartsWith(response->entry().value(), absl::StrCat(options_.name, " "));
}

asio::awaitable<absl::StatusOr<v1::RequestState>> Entry::Describe(std::shared_ptr<Entry> self) {
  absl::StatusOr<v1::RequestState> state = co_await self->Load();
  if (!state.ok()) co_return state.status();
  const absl::StatusOr<bool> is_running = co_await self->IsRunningAnywhere();
  if (!is_running.ok()) co_return is_running.status();
  state->set_name(self->options_.name);
  state->set_host(self->options_.host);
  state->set_running(*is_running);
  if (const std::optional<absl::Time> next = self->NextRun(*state)) {
    *state->mutable_next_run_time() = ToTimestamp(*next);
  }
  co_return state;
}

}  // namespace turnpike::dequeue
