// The deliveries of one lease stream, one after the other, for a coroutine.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_LEASE_FEED_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_LEASE_FEED_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::frontend {

// Thread-safe.
class LeaseFeed : public spool::LeaseStream::Handler {
 public:
  struct Drained {};  // nothing more to lease now
  struct Stopped {};  // by Stop
  // The stream is over, and with it all its leases.
  struct Closed {
    absl::Status status;
  };
  using Next = std::variant<spool::v1::LeasedDelivery, Drained, Stopped, Closed>;

  // Calls `done` with the next delivery as soon as there is one, or with why there is none. One
  // call at a time. Stopped and Closed come before deliveries that are still waiting.
  void WhenNext(absl::AnyInvocable<void(Next)> done);

  // The next delivery if one is waiting, and WhenNext would give it.
  std::optional<spool::v1::LeasedDelivery> TakeWaiting();

  // Call before AddCredit: what the stream said of being drained is about earlier credit.
  void ExpectMore();
  // No more deliveries are wanted.
  void Stop();
  // Whether the lease is still ours, as far as we know.
  bool IsHeld(const spool::v1::LeaseToken& token) const;
  // Stores of which nothing came, or nothing more; by number, in order.
  std::vector<uint32_t> LostShards() const;
  // Tokens of deliveries that wait here, to be renewed.
  std::vector<spool::v1::LeaseToken> WaitingTokens() const;

  void OnLeased(spool::v1::LeaseResponse response) override;
  void OnShardLost(uint32_t shard, const absl::Status& status) override;
  void OnClosed(absl::Status status) override;

 private:
  using Token = std::pair<uint64_t, uint64_t>;  // delivery, fence

  bool TakeNext(Next* next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake() ABSL_LOCKS_EXCLUDED(mu_);

  mutable absl::Mutex mu_;
  std::deque<spool::v1::LeasedDelivery> waiting_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Token> revoked_ ABSL_GUARDED_BY(mu_);
  absl::btree_set<uint32_t> lost_shards_ ABSL_GUARDED_BY(mu_);  // none of theirs is ours
  bool is_drained_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status closed_status_ ABSL_GUARDED_BY(mu_);
  absl::AnyInvocable<void(Next)> done_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_LEASE_FEED_H_
