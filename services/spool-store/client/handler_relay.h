// Passes on to one handler what several lease streams report, on threads of their own.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_HANDLER_RELAY_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_HANDLER_RELAY_H_

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// Thread-safe. The handler is called one report at a time, in the order of the calls here, by
// whichever thread is at it; never with a lock held that a caller has.
class HandlerRelay {
 public:
  explicit HandlerRelay(std::shared_ptr<LeaseStream::Handler> handler)
      : handler_(std::move(handler)) {}

  void Leased(v1::LeaseResponse response) {
    Post([response = std::move(response)](LeaseStream::Handler& handler) mutable {
      handler.OnLeased(std::move(response));
    });
  }
  void ShardLost(uint32_t shard, absl::Status status) {
    Post([shard, status = std::move(status)](LeaseStream::Handler& handler) {
      handler.OnShardLost(shard, status);
    });
  }
  // The first one counts; nothing follows it.
  void Closed(absl::Status status) {
    Post([status = std::move(status)](
             LeaseStream::Handler& handler) mutable { handler.OnClosed(std::move(status)); },
         /*is_last=*/true);
  }

 private:
  using Report = absl::AnyInvocable<void(LeaseStream::Handler&)>;

  void Post(Report report, bool is_last = false) {
    {
      absl::MutexLock lock(&mu_);
      if (is_closed_) return;
      is_closed_ = is_last;
      reports_.push_back(std::move(report));
      if (is_running_) return;
      is_running_ = true;
    }
    while (true) {
      Report next;
      {
        absl::MutexLock lock(&mu_);
        if (reports_.empty()) {
          is_running_ = false;
          return;
        }
        next = std::move(reports_.front());
        reports_.pop_front();
      }
      std::move(next)(*handler_);
    }
  }

  const std::shared_ptr<LeaseStream::Handler> handler_;
  absl::Mutex mu_;
  std::deque<Report> reports_ ABSL_GUARDED_BY(mu_);
  bool is_running_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_HANDLER_RELAY_H_
