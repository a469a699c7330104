// Empties the shard, and brings to an end what was on its way when the store ended (PL-27).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/rpc/move_call.h"
#include "services/spool-store/rpc/shard_peers.h"
#include "services/spool-store/storage/shard_store.h"

namespace turnpike::spool {

// One thread, in rounds: a batch of deliveries is claimed and noted, sent to its targets at once,
// and deleted when they have it. While nothing can be moved, due mail is handed out as usual.
//
// Thread-safe. End it before the store.
class Mover {
 public:
  struct Options {
    // After a start, before anything new is moved: workers settle first what they had before.
    absl::Duration start_delay = absl::Seconds(5);
    absl::Duration idle = absl::Milliseconds(500);  // between rounds that have moved nothing
    absl::Duration refresh = absl::Seconds(2);      // how often the others are asked
  };
  Mover(ShardStore& store, ShardPeers peers, const Options& options);
  ~Mover() { Stop(); }

  // Calls that are under way are cancelled; what they have moved is found out after the next start.
  void Stop();

  // As ShardService.SetDraining says.
  void SetDraining(bool draining, Store::Done<v1::Shard> done);
  // A queue was released here. What has left this shard at about the same time may have missed the
  // release in both places: it is repeated where mail was moved to, as far as that can be reached,
  // before `done` is called. UNAVAILABLE: it was not tried, since the store is being shut down.
  void AfterRelease(const v1::ReleaseQueueRequest& request,
                    absl::AnyInvocable<void(absl::Status)> done);

  // Why mail that should be moved is not; empty: it is.
  std::string error() const;

 private:
  struct Round {
    std::string trouble;
    bool has_moved = false;
  };
  using Task = absl::AnyInvocable<void(bool stopping)>;

  void Run();
  bool HasTask() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !tasks_.empty(); }
  void Post(Task task);
  // How long to wait for the next one.
  absl::Duration Step();
  void RefreshPeers();  // when it is time
  std::string AwayWithMail(uint32_t target) const;
  std::vector<Outgoing> TakeBatch(Round& round);
  void Send(std::vector<Outgoing> batch, Round& round);
  void Take(uint32_t target, const std::vector<Outgoing>& moves, const MoveAnswers& answers,
            Round& round, std::vector<Outgoing>& moved, std::vector<Outgoing>& kept);
  void Confirm(Round& round);
  bool Release(uint32_t target, v1::ReleaseQueueRequest request);
  void SetError(const std::string& error);

  ShardStore& store_;
  MoveOut& out_;
  const Options options_;
  CallCanceller canceller_;
  // Of the thread.
  ShardPeers peers_;
  const absl::Time start_;
  absl::Time next_refresh_ = absl::InfinitePast();
  absl::btree_set<std::string> blocked_;      // queues with moves whose end is unknown
  std::map<uint32_t, absl::Time> last_used_;  // targets

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  std::string error_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVER_H_
