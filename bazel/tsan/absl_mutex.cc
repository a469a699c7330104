// Tells ThreadSanitizer what Abseil's locks order.
//
// Debian's Abseil is built without ThreadSanitizer, so to the sanitizer an absl::Mutex orders
// nothing, and all that it guards looks like a race. All locks lead through here: ours, and gRPC's
// own, whose threads hand us what others have written. Only in builds with --config=tsan.
//
// Limit: the predicates of absl::Condition are not checked. Abseil evaluates them in whichever
// thread unlocks, which the sanitizer is told to ignore meanwhile.
//
// A mutex's functions with a timeout are not here: Abseil calls those with a deadline for them.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "bazel/tsan/replace.h"

namespace turnpike::tsan {
namespace {

constexpr unsigned kWrite = 0;
constexpr unsigned kRead = __tsan_mutex_read_lock;

// Between Before... and After..., the sanitizer ignores what the thread does.
void BeforeLock(absl::Mutex* mutex, unsigned flags) { __tsan_mutex_pre_lock(mutex, flags); }
void AfterLock(absl::Mutex* mutex, unsigned flags) { __tsan_mutex_post_lock(mutex, flags, 0); }
void BeforeUnlock(absl::Mutex* mutex, unsigned flags) { __tsan_mutex_pre_unlock(mutex, flags); }
void AfterUnlock(absl::Mutex* mutex, unsigned flags) { __tsan_mutex_post_unlock(mutex, flags); }

// A wait gives the lock up and takes it again.
void BeforeWait(absl::Mutex* mutex) {
  BeforeUnlock(mutex, kWrite);
  AfterUnlock(mutex, kWrite);
  BeforeLock(mutex, kWrite);
}
void AfterWait(absl::Mutex* mutex) { AfterLock(mutex, kWrite); }

}  // namespace

TURNPIKE_REPLACE(void, Lock, "_ZN4absl7debian35Mutex4LockEv", absl::Mutex* mutex) {
  BeforeLock(mutex, kWrite);
  RealLock(mutex);
  AfterLock(mutex, kWrite);
}

TURNPIKE_REPLACE(void, Unlock, "_ZN4absl7debian35Mutex6UnlockEv", absl::Mutex* mutex) {
  BeforeUnlock(mutex, kWrite);
  RealUnlock(mutex);
  AfterUnlock(mutex, kWrite);
}

TURNPIKE_REPLACE(bool, TryLock, "_ZN4absl7debian35Mutex7TryLockEv", absl::Mutex* mutex) {
  BeforeLock(mutex, __tsan_mutex_try_lock);
  const bool locked = RealTryLock(mutex);
  AfterLock(mutex, __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed));
  return locked;
}

TURNPIKE_REPLACE(void, ReaderLock, "_ZN4absl7debian35Mutex10ReaderLockEv", absl::Mutex* mutex) {
  BeforeLock(mutex, kRead);
  RealReaderLock(mutex);
  AfterLock(mutex, kRead);
}

TURNPIKE_REPLACE(void, ReaderUnlock, "_ZN4absl7debian35Mutex12ReaderUnlockEv", absl::Mutex* mutex) {
  BeforeUnlock(mutex, kRead);
  RealReaderUnlock(mutex);
  AfterUnlock(mutex, kRead);
}

TURNPIKE_REPLACE(void, LockWhen, "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE",
                 absl::Mutex* mutex, const absl::Condition& condition) {
  BeforeLock(mutex, kWrite);
  RealLockWhen(mutex, condition);
  AfterLock(mutex, kWrite);
}

TURNPIKE_REPLACE(bool, LockWhenWithDeadline,
                 "_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                 absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  BeforeLock(mutex, kWrite);
  const bool met = RealLockWhenWithDeadline(mutex, condition, deadline);
  AfterLock(mutex, kWrite);
  return met;
}

TURNPIKE_REPLACE(void, Await, "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE", absl::Mutex* mutex,
                 const absl::Condition& condition) {
  BeforeWait(mutex);
  RealAwait(mutex, condition);
  AfterWait(mutex);
}

TURNPIKE_REPLACE(bool, AwaitWithDeadline,
                 "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
                 absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  BeforeWait(mutex);
  const bool met = RealAwaitWithDeadline(mutex, condition, deadline);
  AfterWait(mutex);
  return met;
}

TURNPIKE_REPLACE(void, DestroyMutex, "_ZN4absl7debian35MutexD1Ev", absl::Mutex* mutex) {
  RealDestroyMutex(mutex);
  // A library's own count of references, which is not seen, may have ordered this.
  if (IsInLibrary(__builtin_return_address(0))) __tsan_acquire(mutex);
  __tsan_mutex_destroy(mutex, 0);
}

TURNPIKE_REPLACE(void, Wait, "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", absl::CondVar* cond_var,
                 absl::Mutex* mutex) {
  BeforeWait(mutex);
  RealWait(cond_var, mutex);
  AfterWait(mutex);
}

TURNPIKE_REPLACE(bool, WaitWithDeadline,
                 "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
                 absl::CondVar* cond_var, absl::Mutex* mutex, absl::Time deadline) {
  BeforeWait(mutex);
  const bool timed_out = RealWaitWithDeadline(cond_var, mutex, deadline);
  AfterWait(mutex);
  return timed_out;
}

TURNPIKE_REPLACE(void, Notify, "_ZN4absl7debian312Notification6NotifyEv",
                 absl::Notification* notification) {
  __tsan_release(notification);
  RealNotify(notification);
}

TURNPIKE_REPLACE(void, WaitForNotification,
                 "_ZNK4absl7debian312Notification19WaitForNotificationEv",
                 const absl::Notification* notification) {
  RealWaitForNotification(notification);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
}

TURNPIKE_REPLACE(bool, WaitForNotificationWithTimeout,
                 "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
                 const absl::Notification* notification, absl::Duration timeout) {
  const bool notified = RealWaitForNotificationWithTimeout(notification, timeout);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
  return notified;
}

TURNPIKE_REPLACE(bool, WaitForNotificationWithDeadline,
                 "_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE",
                 const absl::Notification* notification, absl::Time deadline) {
  const bool notified = RealWaitForNotificationWithDeadline(notification, deadline);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
  return notified;
}

TURNPIKE_REPLACE(bool, DecrementCount, "_ZN4absl7debian315BlockingCounter14DecrementCountEv",
                 absl::BlockingCounter* counter) {
  __tsan_release(counter);
  return RealDecrementCount(counter);
}

TURNPIKE_REPLACE(void, WaitForCounter, "_ZN4absl7debian315BlockingCounter4WaitEv",
                 absl::BlockingCounter* counter) {
  RealWaitForCounter(counter);
  __tsan_acquire(counter);
}

}  // namespace turnpike::tsan
