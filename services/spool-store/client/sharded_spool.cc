#include "services/spool-store/client/sharded_spool.h"

#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/check.h"
#include "services/common/base/ticker.h"
#include "services/common/observe/log.h"
#include "services/spool-store/client/due_leases.h"
#include "services/spool-store/client/queue_leases.h"
#include "services/spool-store/client/queue_sums.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kConnectingTime = absl::Seconds(2);

// The answers of all shards to one question; calls `done` with the last one.
template <typename Response>
class Answers {
 public:
  using All = std::vector<absl::StatusOr<Response>>;
  Answers(size_t count, absl::AnyInvocable<void(All)> done)
      : done_(std::move(done)), left_(count), all_(count) {}

  void Set(size_t shard, absl::StatusOr<Response> answer) {
    {
      absl::MutexLock lock(&mu_);
      all_[shard] = std::move(answer);
      if (--left_ > 0) return;
    }
    std::move(done_)(std::move(all_));
  }

 private:
  absl::AnyInvocable<void(All)> done_;
  absl::Mutex mu_;
  size_t left_ ABSL_GUARDED_BY(mu_);
  All all_;  // the last caller's alone
};

absl::Status OfShard(size_t shard, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("shard ", shard, ": ", status.message()));
}

// A stream over all shards. Its owner's handle.
template <typename Leases>
class Handle : public LeaseStream {
 public:
  explicit Handle(std::shared_ptr<Leases> leases) : leases_(std::move(leases)) {}
  ~Handle() override {
    leases_->Close(absl::CancelledError("the stream was ended"));
    leases_->Free();
  }

  void AddCredit(int32_t deliveries) override { leases_->AddCredit(deliveries); }
  void Renew(const v1::LeaseToken& token) override {
    if (const auto stream = leases_->StreamOf(token)) stream->Renew(token);
  }
  void HandBack(const v1::LeaseToken& token) override {
    if (const auto stream = leases_->StreamOf(token)) stream->HandBack(token);
  }
  // A QueueScope has one queue only.
  void Pause(const v1::QueueName& queue) override {
    if constexpr (std::is_same_v<Leases, DueLeases>) leases_->Pause(queue);
  }
  void Resume(const v1::QueueName& queue) override {
    if constexpr (std::is_same_v<Leases, DueLeases>) leases_->Resume(queue);
  }

 private:
  const std::shared_ptr<Leases> leases_;
};

// Reading fails at once.
class FailedReader : public ContentReader {
 public:
  explicit FailedReader(absl::Status status) : status_(std::move(status)) {}
  void Next(NextCallback done) override { std::move(done)(status_); }

 private:
  const absl::Status status_;
};

class ShardedSpool : public Spool {
 public:
  ShardedSpool(Shards shards, const ShardEnqueuer::Options& options, const base::Clock& clock)
      : shards_(std::move(shards)),
        clock_(clock),
        enqueuer_(std::make_shared<ShardEnqueuer>(shards_, options, clock)),
        was_up_(shards_.size(), true),
        quiet_until_(clock.Now() + kConnectingTime) {
    TURNPIKE_CHECK(!shards_.empty() && shards_.size() <= kShardsMax);
    ticker_.emplace(kTick, [this](const base::Ticker&) { Tick(); });
  }

  ~ShardedSpool() override {
    ticker_.reset();
    enqueuer_->Shutdown();
    std::vector<Ticked> streams;
    {
      absl::MutexLock lock(&mu_);
      streams.swap(streams_);
    }
    for (const Ticked& stream : streams) stream.end();
  }

  void Enqueue(v1::NewMessage message, absl::Time deadline, EnqueueCallback done) override {
    enqueuer_->Enqueue(std::move(message), deadline, std::move(done));
  }
  void AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                     EnqueueCallback done) override {
    enqueuer_->AppendContent(message_id, offset, std::move(data), std::move(done));
  }
  void AbortContent(absl::string_view message_id) override { enqueuer_->AbortContent(message_id); }

  std::unique_ptr<LeaseStream> OpenLease(v1::LeaseOpen open,
                                         std::shared_ptr<LeaseStream::Handler> handler) override {
    if (open.has_queue()) {
      auto leases =
          std::make_shared<QueueLeases>(shards_, std::move(open), std::move(handler), clock_);
      Register(leases);
      return std::make_unique<Handle<QueueLeases>>(std::move(leases));
    }
    auto leases = std::make_shared<DueLeases>(shards_, std::move(open), std::move(handler), clock_);
    Register(leases);
    leases->Start();
    return std::make_unique<Handle<DueLeases>>(std::move(leases));
  }

  void Settle(v1::Settlement settlement, absl::Time deadline, SettleCallback done) override {
    const size_t shard = ShardOf(settlement.token().delivery_id());
    if (shard >= shards_.size()) return std::move(done)(NoShard(shard));
    shards_[shard].spool->Settle(std::move(settlement), deadline, std::move(done));
  }

  std::unique_ptr<ContentReader> ReadContent(uint64_t delivery_id,
                                             absl::string_view message_id) override {
    const size_t shard = ShardOf(delivery_id);
    if (shard >= shards_.size()) return std::make_unique<FailedReader>(NoShard(shard));
    return shards_[shard].spool->ReadContent(delivery_id, message_id);
  }

  void ReleaseQueue(
      v1::ReleaseQueueRequest request, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) override {
    auto answers = std::make_shared<Answers<v1::ReleaseQueueResponse>>(
        shards_.size(), [done = std::move(done)](auto all) mutable {
          v1::ReleaseQueueResponse sum;
          for (size_t i = 0; i < all.size(); ++i) {
            if (!all[i].ok()) return std::move(done)(OfShard(i, all[i].status()));
            sum.set_released(sum.released() + all[i]->released());
            sum.set_pending(sum.pending() + all[i]->pending());
          }
          std::move(done)(std::move(sum));
        });
    for (size_t i = 0; i < shards_.size(); ++i) {
      shards_[i].spool->ReleaseQueue(request, deadline,
                                     [answers, i](absl::StatusOr<v1::ReleaseQueueResponse> answer) {
                                       answers->Set(i, std::move(answer));
                                     });
    }
  }

  void GetQueue(v1::GetQueueRequest request, absl::Time deadline,
                absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) override {
    auto answers = std::make_shared<Answers<v1::GetQueueResponse>>(
        shards_.size(), [done = std::move(done)](auto all) mutable {
          v1::GetQueueResponse sum;
          int32_t away = 0;
          for (const auto& answer : all) {
            if (answer.ok()) {
              AddStats(answer->stats(), sum.mutable_stats());
            } else {
              ++away;
            }
          }
          if (away == std::ssize(all)) return std::move(done)(OfShard(0, all[0].status()));
          sum.mutable_stats()->set_shards_away(away);
          std::move(done)(std::move(sum));
        });
    for (size_t i = 0; i < shards_.size(); ++i) {
      shards_[i].spool->GetQueue(request, deadline,
                                 [answers, i](absl::StatusOr<v1::GetQueueResponse> answer) {
                                   answers->Set(i, std::move(answer));
                                 });
    }
  }

 private:
  // A lease stream, while it lives.
  struct Ticked {
    std::function<bool(absl::Time)> tick;  // false: it is over
    std::function<void()> end;
  };

  static absl::Status NoShard(size_t shard) {
    return absl::InvalidArgumentError(
        absl::StrCat("the delivery is of shard ", shard, ", which spool.shards does not have"));
  }

  template <typename Leases>
  void Register(const std::shared_ptr<Leases>& leases) {
    const std::weak_ptr<Leases> weak = leases;
    absl::MutexLock lock(&mu_);
    streams_.push_back({.tick =
                            [weak](absl::Time now) {
                              const std::shared_ptr<Leases> kept = weak.lock();
                              return kept != nullptr && kept->Tick(now);
                            },
                        .end =
                            [weak] {
                              const std::shared_ptr<Leases> kept = weak.lock();
                              if (kept == nullptr) return;
                              kept->Close(absl::CancelledError("the client is shut down"));
                              kept->Free();
                              if constexpr (std::is_same_v<Leases, QueueLeases>) {
                                kept->AwaitOpening();
                              }
                            }});
  }

  void Tick() {
    const absl::Time now = clock_.Now();
    enqueuer_->Tick(now);
    std::vector<Ticked> streams;
    {
      absl::MutexLock lock(&mu_);
      streams.swap(streams_);
    }
    std::vector<Ticked> kept;
    for (Ticked& stream : streams) {
      if (stream.tick(now)) kept.push_back(std::move(stream));
    }
    {
      absl::MutexLock lock(&mu_);
      for (Ticked& stream : kept) streams_.push_back(std::move(stream));
    }
    if (now < quiet_until_) return;
    for (size_t i = 0; i < shards_.size(); ++i) NoteIsUp(i, shards_[i].is_up());
  }

  void NoteIsUp(size_t shard, bool is_up) {
    if (was_up_[shard] == is_up) return;
    was_up_[shard] = is_up;
    if (is_up) {
      TURNPIKE_LOG(kInfo, "a shard of the spool is back", {{"shard", uint64_t{shard}}});
    } else {
      TURNPIKE_LOG(kWarning, "a shard of the spool does not answer; new mail goes to the others",
                   {{"shard", uint64_t{shard}}});
    }
  }

  const Shards shards_;
  const base::Clock& clock_;
  const std::shared_ptr<ShardEnqueuer> enqueuer_;  // its callbacks may come late
  std::vector<bool> was_up_;                       // the ticker's own, as the next
  const absl::Time quiet_until_;                   // until they may have been connected
  absl::Mutex mu_;
  std::vector<Ticked> streams_ ABSL_GUARDED_BY(mu_);
  std::optional<base::Ticker> ticker_;
};

}  // namespace

std::unique_ptr<Spool> CreateShardedSpool(Shards shards, const ShardEnqueuer::Options& options,
                                          const base::Clock& clock) {
  return std::make_unique<ShardedSpool>(std::move(shards), options, clock);
}

}  // namespace turnpike::spool
