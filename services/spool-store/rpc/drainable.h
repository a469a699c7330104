// Long-lived calls that shutdown must end.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_DRAINABLE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_DRAINABLE_H_

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::spool {

class Drainable {
 public:
  virtual ~Drainable() = default;
  // Takes nothing new, answers what is in progress, then ends the call with UNAVAILABLE.
  virtual void Drain() = 0;
};

// Thread-safe.
class DrainList {
 public:
  // Drains the call at once when the others were already.
  void Add(const std::shared_ptr<Drainable>& call) {
    {
      absl::MutexLock lock(&mu_);
      if (!is_draining_) {
        if (calls_.size() >= 2 * live_max_) Sweep();
        calls_.push_back(call);
        return;
      }
    }
    call->Drain();
  }

  void DrainAll() {
    std::vector<std::weak_ptr<Drainable>> calls;
    {
      absl::MutexLock lock(&mu_);
      is_draining_ = true;
      calls.swap(calls_);
    }
    for (const auto& weak : calls) {
      if (auto call = weak.lock()) call->Drain();
    }
  }

 private:
  void Sweep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    calls_.erase(std::remove_if(calls_.begin(), calls_.end(),
                                [](const auto& weak) { return weak.expired(); }),
                 calls_.end());
    live_max_ = std::max<size_t>(calls_.size(), 16);
  }

  absl::Mutex mu_;
  bool is_draining_ ABSL_GUARDED_BY(mu_) = false;
  size_t live_max_ ABSL_GUARDED_BY(mu_) = 16;
  std::vector<std::weak_ptr<Drainable>> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_DRAINABLE_H_
