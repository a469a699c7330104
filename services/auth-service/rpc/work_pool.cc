#include "services/auth-service/rpc/work_pool.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "services/common/base/check.h"

namespace turnpike::auth {

WorkPool::WorkPool(const Options& options) : waiting_max_(options.waiting_max) {
  TURNPIKE_CHECK(options.threads > 0);
  for (size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this, nice = options.nice] { RunThread(nice); });
  }
}

WorkPool::~WorkPool() {
  std::deque<absl::AnyInvocable<void()>> dropped;
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
    dropped.swap(waiting_);
  }
  for (std::thread& thread : threads_) thread.join();
}

bool WorkPool::TryAdd(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mu_);
  if (waiting_.size() >= waiting_max_ || is_stopping_) return false;
  waiting_.push_back(std::move(work));
  return true;
}

bool WorkPool::WaitUntilIdle(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithDeadline(absl::Condition(this, &WorkPool::IsIdle), deadline);
}

size_t WorkPool::waiting() const {
  absl::MutexLock lock(&mu_);
  return waiting_.size();
}

void WorkPool::RunThread(int nice) {
  // On Linux a nice value is a thread's own. More of it is always allowed.
  const auto thread = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + nice);
  while (true) {
    absl::AnyInvocable<void()> work;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &WorkPool::HasWork));
      if (is_stopping_) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
    }
    work();
    work = nullptr;
    absl::MutexLock lock(&mu_);
    --running_;
  }
}

}  // namespace turnpike::auth
