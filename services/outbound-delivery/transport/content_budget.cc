#include "services/outbound-delivery/transport/content_budget.h"

#include <utility>
#include <vector>

namespace turnpike::delivery {

bool ContentBudget::Fits(size_t bytes) const {
  return taken_ == 0 || (taken_ < bytes_max_ && bytes <= bytes_max_ - taken_);
}

void ContentBudget::Acquire(size_t bytes, Granted granted) {
  bool is_granted = false;
  {
    absl::MutexLock lock(&mu_);
    if (!closed_) {
      if (!waiting_.empty() || !Fits(bytes)) {
        waiting_.push_back({bytes, std::move(granted)});
        return;
      }
      taken_ += bytes;
      is_granted = true;
    }
  }
  granted(is_granted);
}

void ContentBudget::Release(size_t bytes) {
  std::vector<Granted> due;
  {
    absl::MutexLock lock(&mu_);
    taken_ -= bytes;
    while (!waiting_.empty() && Fits(waiting_.front().bytes)) {
      taken_ += waiting_.front().bytes;
      due.push_back(std::move(waiting_.front().granted));
      waiting_.pop_front();
    }
  }
  for (Granted& granted : due) granted(true);
}

void ContentBudget::Close() {
  std::deque<Waiting> refused;
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
    refused.swap(waiting_);
  }
  for (Waiting& waiting : refused) waiting.granted(false);
}

}  // namespace turnpike::delivery
