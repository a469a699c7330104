#include "services/spool-store/storage/rocks_store.h"

#include <sys/statvfs.h>

#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/storage/browse.h"
#include "services/spool-store/storage/change.h"
#include "services/spool-store/storage/delivery_reader.h"
#include "services/spool-store/storage/engine.h"
#include "services/spool-store/storage/enqueue.h"
#include "services/spool-store/storage/lease_desk.h"
#include "services/spool-store/storage/queues.h"
#include "services/spool-store/storage/settle.h"
#include "services/spool-store/storage/upload.h"

namespace turnpike::spool {
namespace {

constexpr absl::string_view kBootKey = "boot";
constexpr absl::Duration kMeasureInterval = absl::Seconds(2);
constexpr absl::Duration kSpaceInterval = absl::Seconds(1);

// Numbers this start; synced before anything is leased under it.
absl::StatusOr<uint64_t> CountBoot(Database& database) {
  std::string value;
  const absl::Status status = database.Get(database.meta(), kBootKey, &value);
  uint64_t boot = 0;
  if (status.ok()) {
    if (!absl::SimpleAtoi(value, &boot)) return absl::DataLossError("boot count is no number");
  } else if (!absl::IsNotFound(status)) {
    return status;
  }
  ++boot;
  rocksdb::WriteOptions sync;
  sync.sync = true;
  TURNPIKE_RETURN_IF_ERROR(
      FromRocks(database.db().Put(sync, database.meta(), ToSlice(kBootKey), absl::StrCat(boot))));
  return boot;
}

// Finds out whether the disk can be written again.
class ProbeOperation : public Operation {
 public:
  void Build(CommitContext& context) override {
    context.batch().Put(context.database().meta(), "probe", "1");
  }
  void Apply(bool) override {}
  void Answer() override {}
};

class RocksStoreImpl : public RocksStore {
 public:
  RocksStoreImpl(const Options& options, std::unique_ptr<Database> database,
                 const base::Clock& clock, Metrics& metrics, uint64_t boot, Identity identity)
      : options_(options),
        free_bytes_min_(options.free_bytes_min),
        database_(std::move(database)),
        engine_(*database_, clock, metrics,
                {.lease_duration = options.lease_duration,
                 .leases_per_queue_max = options.leases_per_queue_max},
                boot, MakeHooks()),
        desk_(engine_),
        settler_(engine_),
        shared_state_(engine_, boot, options.shared_entries_max),
        shard_(engine_, std::move(identity)) {}

  ~RocksStoreImpl() override {
    engine_.draining = true;
    {
      absl::MutexLock lock(&ticker_mu_);
      stopping_ = true;
    }
    if (ticker_.joinable()) ticker_.join();
    engine_.pool.Stop();
    engine_.committer.Stop();
    absl::MutexLock lock(&engine_.mu);  // after whoever has closed a consumer
  }

  absl::Status Start() {
    TURNPIKE_RETURN_IF_ERROR(DropAbandonedUploads(*database_));
    TURNPIKE_RETURN_IF_ERROR(engine_.committer.Init(FirstIdOf(options_.shard)));
    TURNPIKE_RETURN_IF_ERROR(LoadQueues(engine_));
    if (!engine_.schedule.queues().empty()) {
      engine_.hand_out_from = engine_.clock.Now() + options_.settle_time;
    }
    TURNPIKE_RETURN_IF_ERROR(shard_.Load());
    TURNPIKE_RETURN_IF_ERROR(shared_state_.Load());
    CheckSpace();
    Measure();
    engine_.committer.Start();
    if (options_.tick > absl::ZeroDuration()) ticker_ = std::thread([this] { RunTicker(); });
    return absl::OkStatus();
  }

  std::shared_ptr<Upload> OpenUpload() override { return MakeUpload(engine_); }
  void Enqueue(v1::NewMessage message, const std::shared_ptr<Upload>& upload,
               EnqueueDone done) override {
    SubmitEnqueue(engine_, std::move(message), upload, std::move(done));
  }
  absl::StatusOr<std::unique_ptr<Consumer>> OpenConsumer(const v1::LeaseOpen& open,
                                                         std::shared_ptr<LeaseSink> sink) override {
    return desk_.Open(open, std::move(sink));
  }
  void Settle(v1::Settlement settlement, SettleDone done) override {
    settler_.Submit(std::move(settlement), std::move(done));
  }
  std::unique_ptr<ContentReader> ReadContent(absl::string_view message_id) override {
    return MakeContentReader(*database_, engine_.pool, message_id);
  }
  void ReleaseQueue(v1::ReleaseQueueRequest request, Done<v1::ReleaseQueueResponse> done) override {
    SubmitRelease(engine_, std::move(request), std::move(done));
  }
  absl::StatusOr<v1::ListQueuesResponse> ListQueues(const v1::ListQueuesRequest& request) override {
    return spool::ListQueues(engine_, request);
  }
  absl::StatusOr<v1::GetQueueResponse> GetQueue(const v1::GetQueueRequest& request) override {
    return spool::GetQueue(engine_, request);
  }
  void ListDeliveries(v1::ListDeliveriesRequest request,
                      Done<v1::ListDeliveriesResponse> done) override {
    engine_.pool.Post([this, request = std::move(request), done = std::move(done)]() mutable {
      std::move(done)(spool::ListDeliveries(engine_, desk_, request));
    });
  }
  void GetDelivery(v1::GetDeliveryRequest request, Done<v1::GetDeliveryResponse> done) override {
    engine_.pool.Post([this, request = std::move(request), done = std::move(done)]() mutable {
      std::move(done)(spool::GetDelivery(engine_, desk_, request));
    });
  }
  void UpdateDelivery(v1::UpdateDeliveryRequest request,
                      Done<v1::UpdateDeliveryResponse> done) override {
    SubmitUpdate(engine_, std::move(request), std::move(done));
  }

  void Drain() override { engine_.draining = true; }
  // Each may give work to the other, twice at most: a worker's damaged delivery, then its answer.
  void WaitIdle() override {
    for (int i = 0; i < 2; ++i) {
      engine_.pool.WaitIdle();
      engine_.committer.WaitIdle();
    }
  }
  bool IsHealthy() const override { return engine_.writable; }
  SharedStateStore& shared_state() override { return shared_state_; }
  ShardStore& shard() override { return shard_; }
  bool IsAccepting() const override {
    return engine_.writable && engine_.accepting && !engine_.emptying;
  }
  void WatchAccepting(std::function<void(bool)> changed) override {
    absl::MutexLock lock(&watch_mu_);
    accepting_changed_ = std::move(changed);
    was_accepting_ = IsAccepting();
    if (accepting_changed_) accepting_changed_(was_accepting_);
  }
  void SetLimits(const Limits& limits) override {
    free_bytes_min_ = limits.free_bytes_min;
    engine_.lease_duration_ms = absl::ToInt64Milliseconds(limits.lease_duration);
    engine_.leases_per_queue_max = limits.leases_per_queue_max;
  }

  void TickForTest() override {
    desk_.Tick(engine_.clock.Now());
    shared_state_.Sweep();
    Probe();
    CheckSpace();
    Measure();
  }

 private:
  Committer::Hooks MakeHooks() {
    Committer::Hooks hooks;
    hooks.after_apply = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { desk_.Wake(); };
    hooks.around_answers = options_.around_answers;
    hooks.observe = [this](size_t operations, absl::Duration duration, const absl::Status& status) {
      engine_.metrics.commit_duration->Observe(absl::ToDoubleSeconds(duration));
      engine_.metrics.commit_operations->Observe(static_cast<double>(operations));
      if (status.ok() == engine_.writable) return;
      engine_.writable = status.ok();
      if (status.ok()) {
        TURNPIKE_LOG(kInfo, "spool can be written again", {});
      } else {
        TURNPIKE_LOG(kError, "spool cannot be written", {{"error", status.ToString()}});
      }
    };
    return hooks;
  }

  void RunTicker() {
    absl::Time next_measure = absl::InfinitePast();
    absl::Time next_space = absl::InfinitePast();
    while (true) {
      {
        absl::MutexLock lock(&ticker_mu_);
        if (ticker_mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.tick)) return;
      }
      desk_.Tick(engine_.clock.Now());
      const absl::Time now = absl::Now();
      if (now >= next_space) {
        next_space = now + kSpaceInterval;
        Probe();
        CheckSpace();
        shared_state_.Sweep();
      }
      if (now >= next_measure) {
        next_measure = now + kMeasureInterval;
        Measure();
      }
    }
  }

  // While nothing is leased and no mail comes, nobody else would write.
  void Probe() {
    if (!engine_.writable) engine_.committer.Submit(std::make_unique<ProbeOperation>());
  }

  // New mail is refused before the disk is full, so that deliveries can still be settled (PL-25).
  void CheckSpace() {
    struct statvfs facts;
    if (statvfs(options_.directory.c_str(), &facts) != 0) return;
    const uint64_t free_bytes = uint64_t{facts.f_bavail} * facts.f_frsize;
    const uint64_t free_bytes_min = free_bytes_min_;
    const bool accepting = free_bytes >= free_bytes_min;
    if (engine_.accepting.exchange(accepting) != accepting) {
      if (accepting) {
        TURNPIKE_LOG(kInfo, "spool takes mail again", {{"free_bytes", free_bytes}});
      } else {
        TURNPIKE_LOG(kError, "spool's disk is nearly full: new mail is refused",
                     {{"free_bytes", free_bytes}, {"free_bytes_min", free_bytes_min}});
      }
    }
    engine_.metrics.free_bytes->Set(static_cast<double>(free_bytes));
    engine_.metrics.accepting->Set(IsAccepting() ? 1 : 0);
    TellAccepting();
  }

  void TellAccepting() {
    absl::MutexLock lock(&watch_mu_);
    if (!accepting_changed_ || was_accepting_ == IsAccepting()) return;
    was_accepting_ = !was_accepting_;
    accepting_changed_(was_accepting_);
  }

  void Measure() {
    MeasureQueues(engine_);
    desk_.Measure();
    Metrics& metrics = engine_.metrics;
    metrics.used_bytes->Set(static_cast<double>(database_->UsedBytes()));
    metrics.shared_entries->Set(static_cast<double>(shared_state_.count()));
    uint64_t value = 0;
    if (database_->db().GetAggregatedIntProperty("rocksdb.estimate-pending-compaction-bytes",
                                                 &value)) {
      metrics.pending_compaction_bytes->Set(static_cast<double>(value));
    }
    if (database_->db().GetIntProperty("rocksdb.is-write-stopped", &value)) {
      metrics.write_stopped->Set(static_cast<double>(value));
    }
  }

  const Options options_;
  std::atomic<uint64_t> free_bytes_min_;
  const std::unique_ptr<Database> database_;
  Engine engine_;
  LeaseDesk desk_;
  Settler settler_;
  SharedStateStore shared_state_;
  ShardStore shard_;
  absl::Mutex watch_mu_;
  std::function<void(bool)> accepting_changed_ ABSL_GUARDED_BY(watch_mu_);
  bool was_accepting_ ABSL_GUARDED_BY(watch_mu_) = true;
  absl::Mutex ticker_mu_;
  bool stopping_ ABSL_GUARDED_BY(ticker_mu_) = false;
  std::thread ticker_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const Options& options,
                                                             const base::Clock& clock,
                                                             Metrics& metrics) {
  TURNPIKE_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                            Database::Open({.directory = options.directory,
                                            .write_buffer_bytes = options.write_buffer_bytes,
                                            .env = options.env_for_test}));
  TURNPIKE_ASSIGN_OR_RETURN(Identity identity,
                            ClaimIdentity(*database, options.shard, options.directory));
  TURNPIKE_ASSIGN_OR_RETURN(const uint64_t boot, CountBoot(*database));
  auto store = std::make_unique<RocksStoreImpl>(options, std::move(database), clock, metrics, boot,
                                                std::move(identity));
  TURNPIKE_RETURN_IF_ERROR(store->Start());
  return store;
}

}  // namespace turnpike::spool
