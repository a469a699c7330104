#include "services/common/base/gate.h"

#include "services/common/base/check.h"

namespace turnpike::base {

Gate::~Gate() {
  absl::MutexLock lock(&mu_);
  TURNPIKE_CHECK(inside_ == 0, "work outlives its gate");
}

bool Gate::TryEnter() {
  absl::MutexLock lock(&mu_);
  if (closed_) return false;
  ++inside_;
  return true;
}

void Gate::Leave() {
  absl::MutexLock lock(&mu_);
  TURNPIKE_CHECK(inside_ > 0, "Leave without TryEnter");
  --inside_;
}

void Gate::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

bool Gate::WaitUntil(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  const auto is_empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return inside_ == 0; };
  return mu_.AwaitWithDeadline(absl::Condition(&is_empty), deadline);
}

size_t Gate::inside() const {
  absl::MutexLock lock(&mu_);
  return inside_;
}

}  // namespace turnpike::base
