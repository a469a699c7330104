#include "services/spool-store/scaler/shard_totals.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::spool {
namespace {

void Add(const v1::Shard& shard, Totals& totals) {
  totals.due += shard.due();
  totals.leased += shard.leased();
  if (!shard.has_oldest_due_time()) return;
  const absl::Time oldest = absl::FromUnixSeconds(shard.oldest_due_time().seconds()) +
                            absl::Nanoseconds(shard.oldest_due_time().nanos());
  totals.oldest_due = std::min(totals.oldest_due.value_or(absl::InfiniteFuture()), oldest);
}

}  // namespace

struct ShardTotals::State {
  explicit State(const base::Clock& clock) : clock(clock) {}

  const base::Clock& clock;
  absl::Mutex mu;
  bool is_asking ABSL_GUARDED_BY(mu) = false;
  std::vector<Done> waiting ABSL_GUARDED_BY(mu);
  absl::Time known_at ABSL_GUARDED_BY(mu) = absl::InfinitePast();
  Totals known ABSL_GUARDED_BY(mu);
};

// One question to all shards, until the last has answered.
class ShardTotals::Round {
 public:
  Round(std::shared_ptr<State> state, size_t shards) : state_(std::move(state)), left_(shards) {}

  void Answer(const std::string& shard, const absl::StatusOr<v1::Shard>& answer) {
    {
      absl::MutexLock lock(&mu_);
      if (answer.ok()) {
        Add(*answer, totals_);
      } else if (failure_.ok()) {
        failure_ = absl::UnavailableError(absl::StrCat(
            "shard ", shard, " does not say how much it has: ", answer.status().message()));
      }
      if (--left_ > 0) return;
    }
    // Nobody else comes any more.
    if (failure_.ok()) {
      End(state_, totals_);
    } else {
      End(state_, failure_);
    }
  }

 private:
  const std::shared_ptr<State> state_;
  absl::Mutex mu_;
  size_t left_;  // under mu_, as what follows
  Totals totals_;
  absl::Status failure_;
};

ShardTotals::ShardTotals(std::vector<std::unique_ptr<ShardSource>> shards, const Options& options,
                         const base::Clock& clock)
    : shards_(std::move(shards)),
      options_(options),
      clock_(clock),
      state_(std::make_shared<State>(clock)) {}

ShardTotals::~ShardTotals() { End(state_, absl::CancelledError("the store is stopping")); }

void ShardTotals::Get(Done done) {
  std::optional<Totals> known;
  {
    absl::MutexLock lock(&state_->mu);
    if (clock_.Now() - state_->known_at < options_.cache_time) {
      known = state_->known;
    } else {
      state_->waiting.push_back(std::move(done));
      if (state_->is_asking) return;
      state_->is_asking = true;
    }
  }
  if (known.has_value()) return done(*known);
  const auto round = std::make_shared<Round>(state_, shards_.size());
  const absl::Time deadline = absl::Now() + options_.timeout;
  for (const auto& shard : shards_) {
    shard->Ask(deadline, [round, name = shard->name()](absl::StatusOr<v1::Shard> answer) {
      round->Answer(name, answer);
    });
  }
}

void ShardTotals::End(const std::shared_ptr<State>& state, absl::StatusOr<Totals> totals) {
  std::vector<Done> waiting;
  {
    absl::MutexLock lock(&state->mu);
    state->is_asking = false;
    waiting = std::exchange(state->waiting, {});
    if (totals.ok()) {
      state->known = *totals;
      state->known_at = state->clock.Now();
    }
  }
  for (Done& done : waiting) done(totals);
}

}  // namespace turnpike::spool
