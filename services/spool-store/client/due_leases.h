// What is due in any queue of several stores, as one lease stream.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_DUE_LEASES_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_DUE_LEASES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/handler_relay.h"
#include "services/spool-store/client/shard.h"

namespace turnpike::spool {

// A stream to every shard, which is opened again (50 ms to 2 s apart) when it breaks, without
// disturbing the others: OnShardLost. When none is left that works, it is over: OnClosed. Credit is
// given to the shard that has the least of it left, so that each has its part also after it was
// away; no shard is left without any, so that up to one delivery a shard may come beyond it.
//
// Thread-safe.
class DueLeases : public std::enable_shared_from_this<DueLeases> {
 public:
  // `shards` outlive its Close.
  DueLeases(const Shards& shards, v1::LeaseOpen open, std::shared_ptr<LeaseStream::Handler> handler,
            const base::Clock& clock);

  void Start();  // once
  // Opens what is to be opened again. Call every 50 ms or so, one at a time, not within a callback.
  // False: it is over.
  bool Tick(absl::Time now);
  // OnClosed comes, unless it has. The streams end with Free.
  void Close(absl::Status status);
  // Lets go of the streams that are over. Not within a callback.
  void Free();

  void AddCredit(int32_t deliveries);
  // The stream that the lease is of; null when it is over.
  std::shared_ptr<LeaseStream> StreamOf(const v1::LeaseToken& token);
  void Pause(const v1::QueueName& queue) { Say(queue, true); }
  void Resume(const v1::QueueName& queue) { Say(queue, false); }

 private:
  class LineHandler;
  using QueueKey = std::pair<int, std::string>;

  // To one shard.
  struct Line {
    std::shared_ptr<LeaseStream> stream;  // null: none, or one is being opened
    uint64_t number = 0;                  // of the newest stream
    bool is_open = false;                 // or being opened
    bool is_good = false;                 // it has brought something, or lasted
    bool has_failed = false;              // since it was good last
    int64_t credit = 0;                   // given and not used; given again when it is opened
    // Said while it was being opened: whether to pause, and what.
    std::vector<std::pair<bool, v1::QueueName>> unsaid;
    absl::Time opened_time;
    absl::Time reopen_time = absl::InfinitePast();
    absl::Duration reopen_delay;
  };

  void OpenLine(size_t shard);
  void OnLeased(size_t shard, uint64_t number, v1::LeaseResponse response);
  void OnLineClosed(size_t shard, uint64_t number, const absl::Status& status);
  void Say(const v1::QueueName& queue, bool is_pause);

  const Shards& shards_;
  const v1::LeaseOpen open_;
  const base::Clock& clock_;
  HandlerRelay relay_;
  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Line> lines_ ABSL_GUARDED_BY(mu_);
  int64_t credit_ ABSL_GUARDED_BY(mu_) = 0;  // asked for and not used; below 0: more has come
  absl::btree_map<QueueKey, v1::QueueName> paused_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<LeaseStream>> ended_ ABSL_GUARDED_BY(mu_);  // freed by Tick
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_DUE_LEASES_H_
