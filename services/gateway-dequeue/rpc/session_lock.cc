#include "services/gateway-dequeue/rpc/session_lock.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

void SetDuration(absl::Duration duration, google::protobuf::Duration& out) {
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

}  // namespace

// The slash at the end keeps `example.org` and `example.org.uk` apart.
std::string SessionKeyPrefix(absl::string_view gateway) {
  return absl::StrCat("atrn/", gateway, "/");
}

SessionLock::SessionLock(spool::SharedState& state, Options options,
                         absl::AnyInvocable<void()> on_lost)
    : state_(state), options_(std::move(options)), on_lost_(std::move(on_lost)) {}

SessionLock::~SessionLock() = default;

spool::v1::PutEntryRequest SessionLock::MakePut() const {
  spool::v1::PutEntryRequest request;
  request.set_key(options_.key);
  request.set_value(options_.value);
  SetDuration(options_.time_to_live, *request.mutable_time_to_live_duration());
  return request;
}

void SessionLock::Acquire(spool::SharedState& state, Options options,
                          absl::AnyInvocable<void()> on_lost, AcquiredCallback done) {
  std::shared_ptr<SessionLock> lock(new SessionLock(state, std::move(options), std::move(on_lost)));
  spool::v1::PutEntryRequest request = lock->MakePut();
  request.set_if_absent(true);
  const absl::Time now = absl::Now();
  state.Put(std::move(request), now + kCallTimeout,
            [lock, now,
             done = std::move(done)](absl::StatusOr<spool::v1::PutEntryResponse> response) mutable {
              if (!response.ok()) {
                done(response.status());
                return;
              }
              {
                absl::MutexLock guard(&lock->mu_);
                lock->version_ = response->entry().version();
                lock->valid_until_ = now + lock->options_.time_to_live;
              }
              lock->ScheduleRenewal(now + lock->options_.time_to_live / 3);
              done(std::move(lock));
            });
}

void SessionLock::ScheduleRenewal(absl::Time time) {
  absl::MutexLock lock(&mu_);
  if (is_over_) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(time), [weak = weak_from_this()](bool expired) {
    if (!expired) return;
    if (std::shared_ptr<SessionLock> self = weak.lock()) self->Renew();
  });
}

void SessionLock::Renew() {
  spool::v1::PutEntryRequest request = MakePut();
  absl::Time deadline;
  const absl::Time now = absl::Now();
  {
    absl::MutexLock lock(&mu_);
    if (is_over_) return;
    is_renewing_ = true;
    request.set_if_version(version_);
    deadline = std::min(now + kCallTimeout, valid_until_);
  }
  state_.Put(
      std::move(request), deadline,
      [self = shared_from_this(), now](absl::StatusOr<spool::v1::PutEntryResponse> response) {
        self->OnRenewed(now, std::move(response));
      });
}

void SessionLock::OnRenewed(absl::Time asked_time,
                            absl::StatusOr<spool::v1::PutEntryResponse> response) {
  bool is_over;
  absl::Time valid_until;
  uint64_t version;
  absl::AnyInvocable<void()> on_deleted;
  {
    absl::MutexLock lock(&mu_);
    is_renewing_ = false;
    if (response.ok()) {
      version_ = response->entry().version();
      valid_until_ = asked_time + options_.time_to_live;
    }
    is_over = is_over_;
    valid_until = valid_until_;
    version = version_;
    on_deleted = std::move(on_deleted_);
  }
  if (is_over) {
    Delete(version, std::move(on_deleted));
  } else if (response.ok()) {
    ScheduleRenewal(asked_time + options_.time_to_live / 3);
  } else if (absl::IsAborted(response.status()) || absl::IsNotFound(response.status())) {
    Inspect();
  } else if (absl::Now() + kRetryDelay < valid_until) {
    ScheduleRenewal(absl::Now() + kRetryDelay);
  } else {
    Lose();
  }
}

void SessionLock::Inspect() {
  spool::v1::GetEntryRequest request;
  request.set_key(options_.key);
  state_.Get(std::move(request), absl::Now() + kCallTimeout,
             [self = shared_from_this()](absl::StatusOr<spool::v1::GetEntryResponse> response) {
               if (!response.ok() || response->entry().value() != self->options_.value) {
                 self->Lose();
                 return;
               }
               {
                 absl::MutexLock lock(&self->mu_);
                 self->version_ = response->entry().version();
               }
               self->Renew();
             });
}

void SessionLock::Lose() {
  absl::AnyInvocable<void()> on_lost;
  {
    absl::MutexLock lock(&mu_);
    if (is_over_) return;
    is_over_ = true;
    on_lost = std::move(on_lost_);
  }
  on_lost();
}

void SessionLock::Release(absl::AnyInvocable<void()> done) {
  absl::AnyInvocable<void()> dropped;
  uint64_t version = 0;
  bool was_over;
  {
    absl::MutexLock lock(&mu_);
    was_over = std::exchange(is_over_, true);
    if (!was_over) {
      dropped = std::move(on_lost_);
      alarm_ = nullptr;
      if (is_renewing_) {
        on_deleted_ = std::move(done);
        return;
      }
      version = version_;
    }
  }
  if (!was_over) {
    Delete(version, std::move(done));
  } else if (done != nullptr) {
    done();
  }
}

void SessionLock::Delete(uint64_t version, absl::AnyInvocable<void()> done) {
  spool::v1::DeleteEntryRequest request;
  request.set_key(options_.key);
  request.set_if_version(version);
  // If this fails the entry ends by its time.
  state_.Delete(
      std::move(request), absl::Now() + kCallTimeout,
      [done = std::move(done)](const absl::StatusOr<spool::v1::DeleteEntryResponse>&) mutable {
        if (done != nullptr) done();
      });
}

}  // namespace turnpike::dequeue
