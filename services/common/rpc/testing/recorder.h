// Keeps what callbacks report, for a test that waits for it.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_TESTING_RECORDER_H_
#define TURNPIKE_SERVICES_COMMON_RPC_TESTING_RECORDER_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace turnpike::rpc::testing {

// Thread-safe. By the system's own mutex, which ThreadSanitizer knows.
template <typename T>
class Recorder {
 public:
  void Add(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }

  // Waits until there are `count` of them, but not for ever; what there is then.
  std::vector<T> WaitFor(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return values_.size() >= count; });
    return values_;
  }

  std::vector<T> values() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> values_;
};

}  // namespace turnpike::rpc::testing

#endif  // TURNPIKE_SERVICES_COMMON_RPC_TESTING_RECORDER_H_
