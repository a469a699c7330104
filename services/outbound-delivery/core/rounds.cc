#include "services/outbound-delivery/core/rounds.h"

#include <algorithm>
#include <utility>

#include "services/outbound-delivery/core/retry_schedule.h"

namespace turnpike::delivery {
namespace {

constexpr absl::Duration kQuietTimeMax = absl::Seconds(1);

}  // namespace

Rounds::Rounds(absl::Duration interval, absl::Time now)
    : interval_(interval),
      quiet_time_(std::min(kQuietTimeMax, interval / 4)),
      next_(RoundAtOrAfter(now, interval)) {}

void Rounds::Update(absl::Time now) {
  if (!is_on() || now < next_) return;
  // Of several that nobody was there for, the last one.
  begin_ = next_ + absl::Floor(now - next_, interval_);
  next_ = begin_ + interval_;
  active_ = now;
  has_begun_ = true;
}

bool Rounds::MayGo(const spool::v1::LeasedDelivery& delivery, absl::Time now) {
  if (!is_on()) return true;
  Update(now);
  if (now - active_ > quiet_time_) return false;
  const google::protobuf::Timestamp& received = delivery.received_time();
  const absl::Time received_time =
      absl::FromUnixSeconds(received.seconds()) + absl::Nanoseconds(received.nanos());
  if (delivery.attempts() == 0 && received_time > begin_) return false;
  active_ = now;
  return true;
}

bool Rounds::TakeBeginning(absl::Time now) {
  Update(now);
  return std::exchange(has_begun_, false);
}

}  // namespace turnpike::delivery
