// Queues that this worker wants nothing leased of for now, and why. A queue may have several
// reasons; the lease stream hears of it when the first comes and when the last goes. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_PAUSES_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_PAUSES_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::delivery {

// What the lease stream is to be told.
struct PauseChanges {
  std::vector<spool::v1::QueueName> pause;
  std::vector<spool::v1::QueueName> resume;
};

// Thread safety: thread-compatible.
class Pauses {
 public:
  // A destination of the queue's mail is full or stalled. Counted: a queue may have several.
  void AddStalled(const spool::v1::QueueName& queue, PauseChanges* changes);
  void RemoveStalled(const spool::v1::QueueName& queue, PauseChanges* changes);
  // The queue waits for the next round (DL-8); EndRoundWait is for all of them.
  void AddRoundWait(const spool::v1::QueueName& queue, PauseChanges* changes);
  void EndRoundWait(PauseChanges* changes);
  // The gateways whose queues are suspended now (DQ-61).
  void SetSuspended(const std::vector<spool::v1::QueueName>& queues, PauseChanges* changes);

  bool IsSuspended(const spool::v1::QueueName& queue) const;
  // For a new lease stream.
  std::vector<spool::v1::QueueName> All() const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    spool::v1::QueueName queue;
    int stalled = 0;
    bool waits_for_round = false;
    bool is_suspended = false;

    bool is_needed() const { return stalled > 0 || waits_for_round || is_suspended; }
  };
  using Key = std::pair<int, std::string>;
  static Key KeyOf(const spool::v1::QueueName& queue) { return {queue.kind(), queue.name()}; }

  void Change(const spool::v1::QueueName& queue, const std::function<void(Entry&)>& change,
              PauseChanges* changes);

  std::map<Key, Entry> entries_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_PAUSES_H_
