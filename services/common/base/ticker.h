// Something done again and again on a thread of its own, which may block.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_TICKER_H_
#define TURNPIKE_SERVICES_COMMON_BASE_TICKER_H_

#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace turnpike::base {

// Thread-safe.
class Ticker {
 public:
  // Calls `round` at once, and again `interval` after each end. A long round asks is_stopping() in
  // between.
  Ticker(absl::Duration interval, absl::AnyInvocable<void(const Ticker&)> round);
  // Waits for the round that is under way.
  ~Ticker();

  bool is_stopping() const;
  // Waits; true: it is stopping, and so earlier.
  bool Sleep(absl::Duration duration) const;

 private:
  void Run(absl::Duration interval);

  absl::AnyInvocable<void(const Ticker&)> round_;
  mutable absl::Mutex mu_;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// The result of a call that reports it by a callback. For such threads only: it blocks until then.
template <typename Result>
Result AwaitCall(absl::FunctionRef<void(absl::AnyInvocable<void(Result)>)> start) {
  absl::Notification is_done;
  std::optional<Result> result;
  start([&is_done, &result](Result value) {
    result = std::move(value);
    is_done.Notify();
  });
  is_done.WaitForNotification();
  return *std::move(result);
}

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_TICKER_H_
