// How much work all shards of the spool have together.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SHARD_TOTALS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SHARD_TOTALS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/common/base/clock.h"

namespace turnpike::spool {

struct Totals {
  int64_t due = 0;                       // deliveries that wait for a worker
  int64_t leased = 0;                    // deliveries that are with one
  std::optional<absl::Time> oldest_due;  // since when the longest-waiting is due
};

// One shard, asked by whatever way.
class ShardSource {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<v1::Shard>)>;
  virtual ~ShardSource() = default;
  // `done` is called exactly once, on any thread.
  virtual void Ask(absl::Time deadline, Done done) = 0;
  virtual const std::string& name() const = 0;  // for messages
};

// Asks all shards at once and keeps the sum for a moment: many ask at the same time. Thread-safe.
class ShardTotals {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Totals>)>;

  struct Options {
    absl::Duration cache_time = absl::Seconds(1);  // how old a sum may be
    absl::Duration timeout = absl::Seconds(2);     // below the 3 s for which KEDA waits
  };

  ShardTotals(std::vector<std::unique_ptr<ShardSource>> shards, const Options& options,
              const base::Clock& clock);
  ShardTotals(const ShardTotals&) = delete;
  ShardTotals& operator=(const ShardTotals&) = delete;
  // Sources may still answer; who waits is told CANCELLED at once.
  ~ShardTotals();

  // The sum over all shards. UNAVAILABLE when one does not say, with its name: a sum without it
  // would be too low, and workers would be taken away that have its mail. `done` may be called
  // within the call, else on a source's thread.
  void Get(Done done);

 private:
  class Round;
  struct State;

  static void End(const std::shared_ptr<State>& state, absl::StatusOr<Totals> totals);

  const std::vector<std::unique_ptr<ShardSource>> shards_;
  const Options options_;
  const base::Clock& clock_;
  const std::shared_ptr<State> state_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_SCALER_SHARD_TOTALS_H_
