// What a FakeSpool holds. Included by its sources only.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_STATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_STATE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/fake_spool.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::spool {

// Messages, deliveries, queues and lease streams, and what every call makes of them. Thread-safe by
// Do alone: all else is used inside of it.
class FakeSpool::State {
 public:
  using Task = absl::AnyInvocable<void()>;

  // A lease stream as the spool sees it.
  struct Consumer {
    v1::LeaseOpen open;
    std::shared_ptr<LeaseStream::Handler> handler;
    int64_t credit = 0;
    bool credit_is_new = false;  // so that it is told when that finds nothing
    int64_t handed_out = 0;
    std::set<uint64_t> seen;               // with a QueueScope: handed out before
    std::map<std::string, int64_t> turns;  // with a DueScope: deliveries had of each queue
    std::set<std::string> paused;
  };

  struct Item {
    v1::Delivery delivery;  // its state is what it is without the lease
    std::vector<int32_t> indexes;
    v1::NewMessage message;  // without content
    bool delay_warned = false;
    absl::Time first_attempt = absl::InfinitePast();
    uint64_t fence = 0;          // of the last lease
    uint64_t settled_fence = 0;  // of the last settlement
    std::shared_ptr<Consumer> holder;
    absl::Time lease_end;
    // Of an operator.
    std::optional<turnpike::mail::v1::Reply> return_reply;
    std::optional<turnpike::mail::v1::Route> route;
  };

  struct Queue {
    v1::QueueName name;
    turnpike::mail::v1::Route route;
    bool has_route = false;
    std::optional<absl::Time> released;
  };

  // What a queue is kept under.
  static std::string QueueKey(const v1::QueueName& queue);
  static absl::Time ToTime(const google::protobuf::Timestamp& time);
  static void SetTime(absl::Time time, google::protobuf::Timestamp* out);

  State(const base::Clock& clock, uint32_t shard) : clock_(clock), last_id_(FirstIdOf(shard)) {}

  // Runs `change` under the lock, then the callbacks that it has queued.
  template <typename Change>
  void Do(const Change& change) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      absl::MutexLock lock(&mu_);
      change(*this);
      Dispatch();
    }
    RunTasks();
  }

  void AwaitTasks() {
    absl::MutexLock lock(&mu_);
    const auto is_idle = [this] {
      mu_.AssertHeld();
      return !running_tasks_ && tasks.empty();
    };
    mu_.Await(absl::Condition(&is_idle));
  }

  void Answer(Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    (hold_answers ? held_answers : tasks).push_back(std::move(task));
  }

  // What the calls of these names do.
  absl::Status Store(const v1::NewMessage& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::SettleOutcome Settle(const v1::Settlement& settlement) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::ReleaseQueueResponse Release(const v1::ReleaseQueueRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<v1::UpdateDeliveryResponse> Update(const v1::UpdateDeliveryRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::QueueStats Stats(const v1::QueueName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndStream(const std::shared_ptr<Consumer>& consumer, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndExpiredLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Queue& QueueOf(const v1::QueueName& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Queue& queue = queues[QueueKey(name)];
    queue.name = name;
    return queue;
  }
  // The lease that `token` names, if it is running.
  Item* Leased(const v1::LeaseToken& token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto found = items.find(token.delivery_id());
    if (found == items.end() || found->second.holder == nullptr) return nullptr;
    return found->second.fence == token.fence() ? &found->second : nullptr;
  }
  absl::Time Now() const { return clock_.Now(); }
  absl::Mutex& mu() ABSL_LOCK_RETURNED(mu_) { return mu_; }

  absl::Status enqueue_status;
  std::optional<absl::StatusOr<v1::SettleOutcome>> settle_result;
  absl::Status queue_status;
  absl::Status read_status;
  absl::Status lease_status;
  bool hold_answers = false;
  std::deque<Task> tasks;
  std::deque<Task> held_answers;
  std::map<std::string, std::string> chunks;    // content of messages that are not committed yet
  std::map<std::string, std::string> contents;  // by message id
  int64_t content_bytes_read = 0;
  std::vector<v1::NewMessage> messages;
  std::map<uint64_t, Item> items;
  std::map<std::string, Queue> queues;
  std::vector<v1::Settlement> settlements;
  std::vector<v1::ReleaseQueueRequest> releases;
  std::vector<std::shared_ptr<Consumer>> consumers;

 private:
  bool IsDue(const Item& item) const {
    return item.delivery.state() == v1::DELIVERY_STATE_READY ||
           (item.delivery.state() == v1::DELIVERY_STATE_DEFERRED &&
            ToTime(item.delivery.next_attempt_time()) <= Now());
  }
  bool Wants(const Consumer& consumer, const Item& item) const;
  Item* Next(const Consumer& consumer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::LeasedDelivery Lease(const std::shared_ptr<Consumer>& consumer, Item& item)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunTasks() ABSL_LOCKS_EXCLUDED(mu_);

  const base::Clock& clock_;
  mutable absl::Mutex mu_;
  bool running_tasks_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_);
  uint64_t last_fence_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_STATE_H_
