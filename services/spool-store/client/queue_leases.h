// What one gateway's queue holds in several stores, as one lease stream (ATRN, retention).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_LEASES_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_LEASES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/base/gate.h"
#include "services/spool-store/client/handler_relay.h"
#include "services/spool-store/client/shard.h"

namespace turnpike::spool {

// Asks one shard after the other, so that deliveries_max is exact: the oldest of each first. After
// the last one it begins again, for what has arrived meanwhile, until a round has brought nothing:
// then the queue is drained. A shard that was never reached is asked again, after the others, for
// `reach_time_max`: it may be starting. One that stays away, goes away, or does not answer for
// `answer_time_max` is left out from then on: OnShardLost. When all are, it is over: OnClosed.
//
// Thread-safe.
class QueueLeases : public std::enable_shared_from_this<QueueLeases> {
 public:
  static constexpr absl::Duration kAnswerTimeMax = absl::Seconds(10);
  // Longer than a channel waits before it connects again.
  static constexpr absl::Duration kReachTimeMax = absl::Seconds(5);
  static constexpr absl::Duration kReachInterval = absl::Milliseconds(100);

  // `shards` outlive its Close and AwaitOpening.
  QueueLeases(const Shards& shards, v1::LeaseOpen open,
              std::shared_ptr<LeaseStream::Handler> handler, const base::Clock& clock);

  // Gives up a shard that does not answer, tries again to reach one. Call every 50 ms or so, not
  // within a callback. False: it is over.
  bool Tick(absl::Time now);
  // OnClosed comes, unless it has. The streams end with Free.
  void Close(absl::Status status);
  // Lets go of the streams that are over. Not within a callback.
  void Free();
  // After Close: waits until no shard is used any more. Not within a callback.
  void AwaitOpening();

  void AddCredit(int32_t deliveries);
  // The stream that the lease is of; null when it is over.
  std::shared_ptr<LeaseStream> StreamOf(const v1::LeaseToken& token);

 private:
  class LineHandler;

  // To one shard; stays open to the end, because its leases do.
  struct Line {
    std::shared_ptr<LeaseStream> stream;
    bool is_opened = false;
    bool is_reached = false;  // it has answered
    bool is_lost = false;
    std::optional<absl::Time> away_since;  // unset: it was never tried in vain
    std::optional<absl::Time> retry_time;  // until then it is passed over
    int64_t credit = 0;                    // given to it and not used
    int round = 0;                         // asked last in this one
    int drained_round = 0;                 // in this one it had no more
  };
  // What Next has decided.
  struct Step {
    enum class Kind { kNothing, kAsk, kOpen, kDrained, kOver };
    Kind kind = Kind::kNothing;
    size_t shard = 0;
    int32_t credit = 0;
    std::shared_ptr<LeaseStream> stream = nullptr;
    v1::LeaseOpen open = {};
  };

  // Goes on until there is an answer to wait for, or nothing more to ask.
  void Advance();
  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BeginRound() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Lets the shards be asked again whose time it is; whether there are any.
  bool TakeUp(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsPassedOver(const Line& line) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a shard is to be asked again later.
  bool IsAnyPutOff() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Open(const Step& step);
  void OnLeased(size_t shard, v1::LeaseResponse response);
  void OnLineClosed(size_t shard, const absl::Status& status);
  // To be asked again; false when there is no reason to hope for it.
  bool PutOff(size_t shard);
  void LeaveOut(size_t shard, const absl::Status& status);
  // Gives up the line's stream, if it has one.
  void Part(size_t shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Shards& shards_;
  const v1::LeaseOpen open_;
  const base::Clock& clock_;
  HandlerRelay relay_;
  base::Gate opening_;  // within OpenLease of a shard
  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Line> lines_ ABSL_GUARDED_BY(mu_);
  size_t current_ ABSL_GUARDED_BY(mu_) = 0;                    // the shard that is asked
  int round_ ABSL_GUARDED_BY(mu_) = 1;                         // over all shards
  int64_t brought_ ABSL_GUARDED_BY(mu_) = 0;                   // in this round
  bool is_opening_ ABSL_GUARDED_BY(mu_) = false;               // a thread is at it
  bool is_drained_ ABSL_GUARDED_BY(mu_) = false;               // said, and no credit has come since
  int64_t credit_ ABSL_GUARDED_BY(mu_) = 0;                    // asked for and not used
  std::optional<int64_t> left_ ABSL_GUARDED_BY(mu_);           // of deliveries_max; unset: no limit
  std::optional<absl::Time> asked_time_ ABSL_GUARDED_BY(mu_);  // no answer since
  absl::Status lost_status_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<LeaseStream>> ended_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_QUEUE_LEASES_H_
