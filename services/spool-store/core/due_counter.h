// Counts deferred deliveries by when they become due.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_DUE_COUNTER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_DUE_COUNTER_H_

#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"
#include "services/spool-store/core/index_key.h"

namespace turnpike::spool {

// Memory depends on how many different seconds there are, not on how many deliveries.
//
// Thread-compatible.
class DueCounter {
 public:
  // `second` is ignored with `released`: such a delivery is due whatever its time.
  void Add(bool released, int64_t second) {
    if (IsDue(released, second)) {
      ++due_;
    } else if (second == kNeverDue) {
      ++never_;
    } else {
      ++waiting_;
      ++by_second_[second];
    }
  }

  void Remove(bool released, int64_t second) {
    if (IsDue(released, second)) {
      --due_;
      return;
    }
    if (second == kNeverDue) {
      --never_;
      return;
    }
    --waiting_;
    auto found = by_second_.find(second);
    if (found != by_second_.end() && --found->second <= 0) by_second_.erase(found);
  }

  // What is due at `second` counts as due from now on. Time does not run back.
  void Advance(int64_t second) {
    if (second <= horizon_) return;
    horizon_ = second;
    while (!by_second_.empty() && by_second_.begin()->first <= horizon_) {
      due_ += by_second_.begin()->second;
      waiting_ -= by_second_.begin()->second;
      by_second_.erase(by_second_.begin());
    }
  }

  // Everything counted so far becomes due; its later removals must say `released`.
  void Release() {
    due_ += waiting_ + never_;
    waiting_ = never_ = 0;
    by_second_.clear();
  }

  // Whether time has come so far.
  bool IsPast(int64_t second) const { return second <= horizon_; }
  int64_t due() const { return due_; }
  int64_t waiting() const { return waiting_; }
  int64_t never() const { return never_; }  // at kNeverDue
  // When the next one becomes due.
  std::optional<int64_t> next_second() const {
    if (by_second_.empty()) return std::nullopt;
    return by_second_.begin()->first;
  }

 private:
  bool IsDue(bool released, int64_t second) const { return released || IsPast(second); }

  int64_t horizon_ = 0;
  int64_t due_ = 0;
  int64_t waiting_ = 0;
  int64_t never_ = 0;
  absl::btree_map<int64_t, int64_t> by_second_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_DUE_COUNTER_H_
