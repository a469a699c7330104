#include "services/common/base/disposer.h"

#include <utility>

namespace turnpike::base {

Disposer::Disposer() : thread_([this] { Run(); }) {}

Disposer::~Disposer() {
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &Disposer::HasNothing));
    is_stopping_ = true;
  }
  thread_.join();
}

void Disposer::Begin() {
  absl::MutexLock lock(&mu_);
  ++owned_;
}

void Disposer::Add(absl::AnyInvocable<void()> destroy) {
  absl::MutexLock lock(&mu_);
  waiting_.push_back(std::move(destroy));
}

void Disposer::Run() {
  while (true) {
    absl::AnyInvocable<void()> destroy;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Disposer::HasWork));
      if (waiting_.empty()) return;
      destroy = std::move(waiting_.front());
      waiting_.pop_front();
    }
    destroy();
    absl::MutexLock lock(&mu_);
    --owned_;
  }
}

}  // namespace turnpike::base
