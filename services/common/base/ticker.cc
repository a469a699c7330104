#include "services/common/base/ticker.h"

namespace turnpike::base {

Ticker::Ticker(absl::Duration interval, absl::AnyInvocable<void(const Ticker&)> round)
    : round_(std::move(round)), thread_([this, interval] { Run(interval); }) {}

Ticker::~Ticker() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

bool Ticker::is_stopping() const {
  absl::MutexLock lock(&mu_);
  return is_stopping_;
}

bool Ticker::Sleep(absl::Duration duration) const {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&is_stopping_), duration);
}

void Ticker::Run(absl::Duration interval) {
  do {
    round_(*this);
  } while (!Sleep(interval));
}

}  // namespace turnpike::base
