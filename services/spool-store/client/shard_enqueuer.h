// Gives new messages to the stores that take them.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ENQUEUER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ENQUEUER_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/base/gate.h"
#include "services/spool-store/client/shard.h"
#include "services/spool-store/client/shard_id.h"

namespace turnpike::spool {

// A message goes to one of the shards that are up and have not refused any lately, evenly by its
// id. One that refuses it (full, being emptied), or cannot have seen it, is left for another. One
// that may have stored it is the only one asked until the deadline: no message is stored twice.
// While no shard is up messages wait for one. One that is being emptied is no shard to wait with:
// it may be about to go, with what it was asked unanswered.
//
// Thread-safe. Callbacks run without a lock held.
class ShardEnqueuer : public std::enable_shared_from_this<ShardEnqueuer> {
 public:
  struct Options {
    absl::Duration avoid_time = absl::Seconds(5);  // after a shard has refused a message
    // The same for messages in pieces, which cannot be given to another shard at their end.
    absl::Duration avoid_time_in_pieces = absl::Minutes(1);
    size_t waiting_bytes_max = 256 << 20;  // of messages that wait for any shard
  };

  // `shards` outlive its Shutdown, `clock` outlives it.
  ShardEnqueuer(const Shards& shards, const Options& options, const base::Clock& clock);

  // As Spool's calls of these names.
  void Enqueue(v1::NewMessage message, absl::Time deadline, Spool::EnqueueCallback done);
  void AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                     Spool::EnqueueCallback done);
  void AbortContent(absl::string_view message_id);

  // Gives what waits to shards that have come up; ends what is late. Call every 50 ms or so.
  void Tick(absl::Time now);
  // Ends what waits with CANCELLED; nothing is given to a shard afterwards. Not within a callback.
  void Shutdown();

 private:
  using Set = std::bitset<kShardsMax>;

  // A message on its way.
  struct Job {
    std::shared_ptr<const v1::NewMessage> message;
    size_t bytes = 0;
    absl::Time deadline;
    Spool::EnqueueCallback done;
    Set tried = {};
    absl::Status refusal = {};  // of one of them; OK: none has
  };
  // The first piece of a message.
  struct FirstPiece {
    std::string message_id;
    std::string data;
    Spool::EnqueueCallback done;
    Set tried = {};
  };
  struct Health {
    bool is_emptied = false;  // it said so, less than avoid_time ago
    absl::Time avoid_until = absl::InfinitePast();
    absl::Time avoid_in_pieces_until = absl::InfinitePast();
  };

  // The shard to try next; nothing when none of the others is up.
  std::optional<size_t> Choose(absl::string_view message_id, const Set& tried, bool in_pieces);
  // Gives it to a shard, or does what is to be done when there is none.
  void Try(std::shared_ptr<Job> job);
  void OnEnd(std::shared_ptr<Job> job, size_t shard, absl::Status status);
  void NoteOutcome(size_t shard, const absl::Status& status);
  // Whether those that have refused it are being emptied, and one that is away may take it yet.
  bool MayWait(const Job& job) const;
  // Lets it wait for a shard, if there is room.
  void Park(std::shared_ptr<Job> job);
  void TryFirstPiece(std::shared_ptr<FirstPiece> piece);
  void GiveFirstPiece(const std::shared_ptr<FirstPiece>& piece);
  void Give(std::shared_ptr<Job> job);
  void EnqueueInPieces(v1::NewMessage message, absl::Time deadline, Spool::EnqueueCallback done);
  // The shard that has a message's pieces.
  std::optional<size_t> FindUpload(absl::string_view message_id, bool ends);
  void Finish(Job& job, absl::Status status);

  const Shards& shards_;
  const Options options_;
  const base::Clock& clock_;
  base::Gate gate_;  // of what uses the shards outside of their owner's calls
  absl::Mutex mu_;
  bool is_shut_down_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Health> health_ ABSL_GUARDED_BY(mu_);  // by shard
  std::vector<std::shared_ptr<Job>> waiting_ ABSL_GUARDED_BY(mu_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, size_t> uploads_ ABSL_GUARDED_BY(mu_);  // message to shard
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ENQUEUER_H_
