// A mutex of the system's own kind. Debian's Abseil is built without ThreadSanitizer's annotations, so
// code whose correctness rests on concurrent callbacks, and is tested for that, locks by this one.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_MUTEX_H_
#define TURNPIKE_SERVICES_COMMON_RPC_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace turnpike::rpc {

// Thread-safe. Not recursive.
class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }

 private:
  Mutex* const mutex_;
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_MUTEX_H_
