#include "services/gateway-dequeue/rpc/atrn_run.h"

#include <google/protobuf/util/time_util.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/random.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

using google::protobuf::util::TimeUtil;

// Shorter than a frontend waits for the first response.
constexpr absl::Duration kCallTimeout = absl::Seconds(5);

// 32 hexadecimal digits.
std::string MakeGrantId() {
  std::array<uint8_t, 16> random;
  base::FillRandom(absl::MakeSpan(random));
  return absl::BytesToHexString({reinterpret_cast<const char*>(random.data()), random.size()});
}

const char* EndingName(v1::AtrnEnding ending) {
  switch (ending) {
    case v1::ATRN_ENDING_COMPLETED:
      return "completed";
    case v1::ATRN_ENDING_REFUSED:
      return "refused by the peer";
    case v1::ATRN_ENDING_LOST:
      return "connection lost";
    case v1::ATRN_ENDING_DRAINED:
      return "drained";
    case v1::ATRN_ENDING_STORE_AWAY:
      return "store away";
    default:
      return "unknown";
  }
}

absl::Status Revoked() {
  return absl::UnavailableError("shutting down, suspended, or the session's lock was lost");
}

}  // namespace

void AtrnRun::OnMessage(const v1::RunAtrnRequest& request) {
  switch (request.request_case()) {
    case v1::RunAtrnRequest::kBegin:
      Begin(request.begin());
      return;
    case v1::RunAtrnRequest::kProgress: {
      absl::MutexLock lock(&mu_);
      if (state_ != State::kRunning) return;
      parts_.metrics.CountProgress(progress_, request.progress());
      progress_ = request.progress();
      return;
    }
    case v1::RunAtrnRequest::kEnd: {
      {
        absl::MutexLock lock(&mu_);
        if (state_ != State::kRunning) return;
        parts_.metrics.CountProgress(progress_, request.end().totals());
        progress_ = request.end().totals();
      }
      End(request.end().ending(), request.end().detail());
      stream_->Finish(absl::OkStatus());
      return;
    }
    case v1::RunAtrnRequest::REQUEST_NOT_SET:
      return;
  }
}

void AtrnRun::OnHalfClose() {
  End(v1::ATRN_ENDING_LOST, "");
  stream_->Finish(absl::OkStatus());
}

void AtrnRun::OnClosed() { End(v1::ATRN_ENDING_LOST, ""); }

bool AtrnRun::IsOver() {
  absl::MutexLock lock(&mu_);
  return state_ == State::kOver;
}

void AtrnRun::Begin(const v1::AtrnBegin& begin) {
  {
    absl::MutexLock lock(&mu_);
    if (state_ != State::kWaiting) return;
    state_ = State::kDeciding;
    asker_ = begin.asker();
    begin_time_ = parts_.clock.Now();
  }
  parts_.overrides.Read([self = shared_from_this(),
                         begin](absl::StatusOr<std::shared_ptr<const Overrides>> overrides) {
    if (overrides.ok()) {
      self->Decide(begin, **overrides);
    } else {
      self->Refuse(
          begin.asker().gateway_login().empty() ? smtp::kAuthRequired : smtp::kAtrnUnavailable,
          Result::kError, overrides.status());
    }
  });
}

void AtrnRun::Decide(const v1::AtrnBegin& begin, const Overrides& overrides) {
  SessionLock::Options options{.time_to_live = parts_.lock_time_to_live};
  bool is_revoked;
  std::optional<Refusal> refusal;
  {
    absl::MutexLock lock(&mu_);
    if (state_ == State::kOver) return;
    decision_ = DecideAtrn(parts_.settings.Get()->gateways, overrides, begin);
    decision_.grant.set_grant(MakeGrantId());
    is_revoked = is_revoked_;
    refusal = decision_.refusal;
    if (!refusal.has_value()) {
      // Exclusive sessions share one key; others have one each, only to be seen.
      options.key = absl::StrCat(SessionKeyPrefix(decision_.gateway->domain()),
                                 decision_.gateway->atrn_single_session
                                     ? absl::string_view("single")
                                     : absl::string_view(decision_.grant.grant()));
    }
    v1::RunningSession session;
    session.set_session_id(asker_.session_id());
    session.set_client_address(asker_.client_address());
    *session.mutable_begin_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(begin_time_));
    options.value = session.SerializeAsString();
  }
  if (refusal.has_value()) {
    Refuse(refusal->reply, refusal->result);
  } else if (is_revoked) {
    Refuse(smtp::kAtrnUnavailable, Result::kError, Revoked());
  } else {
    SessionLock::Acquire(
        parts_.state, std::move(options),
        [weak = weak_from_this()] {
          if (std::shared_ptr<AtrnRun> self = weak.lock()) self->Revoke();
        },
        [self = shared_from_this()](absl::StatusOr<std::shared_ptr<SessionLock>> lock) {
          self->OnLocked(std::move(lock));
        });
  }
}

void AtrnRun::OnLocked(absl::StatusOr<std::shared_ptr<SessionLock>> session_lock) {
  if (absl::IsAborted(session_lock.status())) {  // DQ-32
    Refuse(smtp::kAtrnRefused, Result::kBusy);
    return;
  }
  if (!session_lock.ok()) {
    Refuse(smtp::kAtrnUnavailable, Result::kError, session_lock.status());
    return;
  }
  bool is_over;
  bool has_interval = false;
  {
    absl::MutexLock lock(&mu_);
    is_over = state_ == State::kOver;
    if (!is_over) {
      lock_ = *session_lock;
      has_interval = decision_.gateway->atrn_min_interval > absl::ZeroDuration();
    }
  }
  if (is_over) {
    (*session_lock)->Release();
  } else if (has_interval) {
    KeepInterval();
  } else {
    LookIntoQueue();
  }
}

// DQ-36: an entry that lives as long as the gateway must not ask again.
void AtrnRun::KeepInterval() {
  spool::v1::PutEntryRequest put;
  {
    absl::MutexLock lock(&mu_);
    put.set_key(absl::StrCat("atrn-interval/", decision_.gateway->domain()));
    *put.mutable_time_to_live_duration() = TimeUtil::NanosecondsToDuration(
        absl::ToInt64Nanoseconds(decision_.gateway->atrn_min_interval));
  }
  put.set_if_absent(true);
  parts_.state.Put(
      std::move(put), absl::Now() + kCallTimeout,
      [self = shared_from_this()](absl::StatusOr<spool::v1::PutEntryResponse> response) {
        if (response.ok()) {
          self->LookIntoQueue();
        } else if (absl::IsAborted(response.status())) {
          self->Refuse(smtp::kAtrnRefused, Result::kBusy);
        } else {
          self->Refuse(smtp::kAtrnUnavailable, Result::kError, response.status());
        }
      });
}

void AtrnRun::LookIntoQueue() {
  spool::v1::GetQueueRequest request;
  {
    absl::MutexLock lock(&mu_);
    if (state_ == State::kOver) return;
    *request.mutable_queue() = decision_.grant.queues(0).queue();
  }
  parts_.spool.GetQueue(
      std::move(request), absl::Now() + kCallTimeout,
      [self = shared_from_this()](absl::StatusOr<spool::v1::GetQueueResponse> response) {
        self->OnQueue(response);
      });
}

void AtrnRun::OnQueue(const absl::StatusOr<spool::v1::GetQueueResponse>& response) {
  if (!response.ok()) {
    Refuse(smtp::kAtrnUnavailable, Result::kError, response.status());
    return;
  }
  const spool::v1::QueueStats& stats = response->stats();
  if (stats.held() + stats.ready() + stats.deferred() > 0) {
    Grant();
  } else if (stats.shards_away() > 0) {
    // There may be mail.
    Refuse(
        smtp::kAtrnUnavailable, Result::kError,
        absl::UnavailableError(absl::StrCat(stats.shards_away(), " of the spool's shards away")));
  } else {
    Refuse(smtp::kYouHaveNoMail, Result::kNoMail);
  }
}

void AtrnRun::Grant() {
  v1::AtrnGrant grant;
  std::string gateway;
  v1::Asker asker;
  absl::Time begin_time;
  bool is_revoked;
  {
    absl::MutexLock lock(&mu_);
    if (state_ == State::kOver) return;
    is_revoked = is_revoked_;
    if (!is_revoked) state_ = State::kRunning;
    grant = decision_.grant;
    gateway = decision_.gateway->domain();
    asker = asker_;
    begin_time = begin_time_;
  }
  if (is_revoked) {
    Refuse(smtp::kAtrnUnavailable, Result::kError, Revoked());
    return;
  }
  parts_.metrics.CountRequest(Protocol::kAtrn, Result::kStarted);
  parts_.metrics.atrn_sessions.Increment();
  TURNPIKE_LOG(kInfo, "ATRN granted",
               {{"session", asker.session_id()},
                {"client", asker.client_address()},
                {"gateway", gateway},
                {"grant", grant.grant()}});
  RecordLastRequest(
      parts_.state, gateway,
      MakeLastRequest("atrn", asker.client_address(), begin_time, smtp::Reply(smtp::kReversing)));
  stream_->Send([&grant](v1::RunAtrnResponse& response) { *response.mutable_grant() = grant; });
}

void AtrnRun::Refuse(const smtp::ReplyCode& code, Result result, const absl::Status& cause) {
  const smtp::Reply reply(code);
  std::shared_ptr<SessionLock> session_lock;
  GatewayPointer gateway;
  v1::Asker asker;
  absl::Time begin_time;
  {
    absl::MutexLock lock(&mu_);
    if (state_ == State::kOver) return;
    state_ = State::kOver;
    session_lock = std::move(lock_);
    gateway = decision_.gateway;
    asker = asker_;
    begin_time = begin_time_;
  }
  if (session_lock != nullptr) session_lock->Release();
  parts_.metrics.CountRequest(Protocol::kAtrn, result);
  TURNPIKE_LOG(kInfo, "ATRN refused",
               {{"session", asker.session_id()},
                {"client", asker.client_address()},
                {"gateway", asker.gateway_login()},
                {"code", static_cast<int>(code.code)},
                {"result", ResultName(result)},
                {"error", cause.ok() ? "" : cause.ToString()}});
  if (gateway != nullptr && result != Result::kError) {
    RecordLastRequest(parts_.state, gateway->domain(),
                      MakeLastRequest("atrn", asker.client_address(), begin_time, reply));
  }
  stream_->Send(
      [&reply](v1::RunAtrnResponse& response) { *response.mutable_refusal() = ToProto(reply); });
  stream_->Finish(absl::OkStatus());
}

void AtrnRun::End(v1::AtrnEnding ending, const std::string& detail) {
  std::shared_ptr<SessionLock> session_lock;
  v1::LastRequest last;
  std::string gateway;
  v1::Asker asker;
  v1::AtrnProgress totals;
  absl::Time begin_time;
  bool was_running;
  {
    absl::MutexLock lock(&mu_);
    was_running = state_ == State::kRunning;
    state_ = State::kOver;
    session_lock = std::move(lock_);
    if (was_running) {
      gateway = decision_.gateway->domain();
      asker = asker_;
      totals = progress_;
      begin_time = begin_time_;
    }
  }
  if (session_lock != nullptr) session_lock->Release();
  if (!was_running) return;
  const absl::Time now = parts_.clock.Now();
  parts_.metrics.atrn_sessions.Decrement();
  parts_.metrics.atrn_session_seconds.Observe(absl::ToDoubleSeconds(now - begin_time));
  TURNPIKE_LOG(kInfo, "ATRN session ended",
               {{"session", asker.session_id()},
                {"client", asker.client_address()},
                {"gateway", gateway},
                {"ending", EndingName(ending)},
                {"detail", detail},
                {"delivered", totals.delivered()},
                {"kept", totals.kept()},
                {"returned", totals.returned()},
                {"bytes", totals.bytes()}});
  last = MakeLastRequest("atrn", asker.client_address(), begin_time, smtp::Reply(smtp::kReversing));
  last.set_ending(ending);
  *last.mutable_totals() = std::move(totals);
  *last.mutable_end_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
  RecordLastRequest(parts_.state, gateway, last);
}

void AtrnRun::Revoke() {
  {
    absl::MutexLock lock(&mu_);
    // One that has not begun is refused at its next step.
    if (std::exchange(is_revoked_, true)) return;
    if (state_ != State::kRunning) return;
  }
  stream_->Send([](v1::RunAtrnResponse& response) { response.set_revoke(true); });
}

void AtrnRun::RevokeOf(absl::string_view gateway) {
  {
    absl::MutexLock lock(&mu_);
    if (decision_.gateway == nullptr || decision_.gateway->domain() != gateway) return;
  }
  Revoke();
}

}  // namespace turnpike::dequeue
