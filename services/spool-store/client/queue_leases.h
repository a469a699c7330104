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
// then the queue is drained. A shard that is away, or does not answer for `answer_time_max`, is
// left out from then on: OnShardLost. When all are, it is over: OnClosed.
//
// Thread-safe.
class QueueLeases : public std::enable_shared_from_this<QueueLeases> {
 public:
  static constexpr absl::Duration kAnswerTimeMax = absl::Seconds(10);

  // `shards` outlive its Close and AwaitOpening.
  QueueLeases(const Shards& shards, v1::LeaseOpen open,
              std::shared_ptr<LeaseStream::Handler> handler, const base::Clock& clock);

  // Gives up a shard that does not answer. Call every 50 ms or so, not within a callback. False: it
  // is over.
  bool Tick(absl::Time now);
  // OnClosed comes, unless it has. The streams end with Free.
  void Close(absl::Status status);
  // Lets go of the streams that are over. Not within a callback.
  void Free();
  // After Close: waits until no shard is used any more. Not within a callback.
  void AwaitOpening();

  void AddCredit(int32_t deliveries);
  void Renew(const v1::LeaseToken& token);
  void HandBack(const v1::LeaseToken& token);

 private:
  class LineHandler;

  // To one shard; stays open to the end, because its leases do.
  struct Line {
    std::shared_ptr<LeaseStream> stream;
    bool is_opened = false;
    bool is_lost = false;
    int64_t credit = 0;  // given to it and not used
    int round = 0;       // asked last in this one
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
  void Open(const Step& step);
  void OnLeased(size_t shard, v1::LeaseResponse response);
  void OnLineClosed(size_t shard, const absl::Status& status);
  std::shared_ptr<LeaseStream> StreamOf(const v1::LeaseToken& token);

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
