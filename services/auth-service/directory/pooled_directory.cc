#include "services/auth-service/directory/pooled_directory.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/auth-service/rpc/work_pool.h"
#include "services/auth-service/store/expiring_cache.h"
#include "services/common/credentials/crypto.h"
#include "services/common/observe/log.h"

namespace turnpike::auth {
namespace {

constexpr absl::Duration kWarningInterval = absl::Seconds(10);

using Found = absl::StatusOr<std::shared_ptr<const AccountEntry>>;

}  // namespace

class PooledDirectory::Impl {
 public:
  Impl(Options options, DirectoryMetrics& metrics, const base::Clock& clock)
      : options_(std::move(options)),
        metrics_(metrics),
        clock_(clock),
        cache_(options_.cache_entries_max),
        // Others compute; these wait, and what they find is wanted at once.
        pool_(std::make_unique<WorkPool>(WorkPool::Options{
            .threads = options_.connections_max, .waiting_max = options_.waiting_max, .nice = 0})) {
  }

  ~Impl() {
    is_stopping_ = true;
    pool_->WaitUntilIdle(absl::InfiniteFuture());
    pool_ = nullptr;
  }

  const Options& options() const { return options_; }

  void Find(std::string address, absl::Time deadline, FindDone done) {
    const std::string key = absl::AsciiStrToLower(address);
    std::optional<std::shared_ptr<const AccountEntry>> known;
    {
      absl::MutexLock lock(&mu_);
      known = cache_.Find(key, clock_.Now());
      if (!known.has_value()) {
        std::vector<FindDone>& waiters = open_[key];
        waiters.push_back(std::move(done));
        if (waiters.size() > 1) return;
      }
    }
    if (known.has_value()) {
      metrics_.remembered.Increment();
      return done(*std::move(known));
    }
    const absl::Time give_up = GiveUp(deadline);
    const bool is_added = pool_->TryAdd([this, key, address = std::move(address), give_up] {
      Finish(key,
             Ask<std::shared_ptr<const AccountEntry>>(give_up, [&](BlockingDirectory& directory) {
               return directory.Find(address, give_up);
             }));
    });
    if (!is_added) Finish(key, Dropped());
  }

  void CheckPassword(std::string address, std::string password, absl::Time deadline,
                     CheckDone done) {
    const absl::Time give_up = GiveUp(deadline);
    // Shared, because the work is lost when it is not taken.
    auto shared = std::make_shared<CheckDone>(std::move(done));
    const bool is_added =
        pool_->TryAdd([this, address = std::move(address), password = std::move(password), give_up,
                       shared]() mutable {
          const absl::StatusOr<bool> agrees = Ask<bool>(give_up, [&](BlockingDirectory& directory) {
            return directory.CheckPassword(address, password, give_up);
          });
          Wipe(password);
          (*shared)(agrees);
        });
    if (!is_added) (*shared)(Dropped());
  }

 private:
  absl::Time GiveUp(absl::Time deadline) const {
    return std::min(deadline, absl::Now() + options_.timeout);
  }

  absl::Status Dropped() {
    metrics_.dropped.Increment();
    return absl::UnavailableError(absl::StrCat(options_.name, ": too many questions at one time"));
  }

  // Asks by a connection that nobody uses; on a thread of the pool.
  template <typename T, typename Question>
  absl::StatusOr<T> Ask(absl::Time give_up, Question question) {
    if (is_stopping_) return absl::UnavailableError("shutting down");
    const absl::Time begin_time = absl::Now();
    if (begin_time >= give_up) {
      const absl::Status late =
          absl::DeadlineExceededError(absl::StrCat(options_.name, " is too slow"));
      Report(late);
      return late;
    }
    std::unique_ptr<BlockingDirectory> connection = TakeConnection();
    absl::StatusOr<T> answer = question(*connection);
    metrics_.duration_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - begin_time));
    if (!answer.ok()) Report(answer.status());
    absl::MutexLock lock(&mu_);
    idle_.push_back(std::move(connection));
    return answer;
  }

  std::unique_ptr<BlockingDirectory> TakeConnection() {
    {
      absl::MutexLock lock(&mu_);
      if (!idle_.empty()) {
        std::unique_ptr<BlockingDirectory> connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    return options_.connect();
  }

  void Report(const absl::Status& status) {
    metrics_.errors.Increment();
    const absl::Time now = absl::Now();
    {
      absl::MutexLock lock(&mu_);
      if (now < warning_time_ + kWarningInterval) return;
      warning_time_ = now;
    }
    TURNPIKE_LOG(kWarning, "directory does not answer",
                 {{"directory", options_.name}, {"error", status.ToString()}});
  }

  void Finish(const std::string& key, const Found& found) {
    std::vector<FindDone> waiters;
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = clock_.Now();
      if (found.ok()) cache_.Add(key, *found, now, now + options_.cache_time);
      const auto open = open_.find(key);
      waiters = std::move(open->second);
      open_.erase(open);
    }
    for (FindDone& done : waiters) done(found);
  }

  const Options options_;
  DirectoryMetrics& metrics_;
  const base::Clock& clock_;
  std::atomic<bool> is_stopping_{false};
  absl::Mutex mu_;
  ExpiringCache<std::shared_ptr<const AccountEntry>> cache_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, std::vector<FindDone>> open_ ABSL_GUARDED_BY(mu_);
  // No more than threads.
  std::vector<std::unique_ptr<BlockingDirectory>> idle_ ABSL_GUARDED_BY(mu_);
  absl::Time warning_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::unique_ptr<WorkPool> pool_;
};

PooledDirectory::PooledDirectory(Options options, DirectoryMetrics& metrics,
                                 const base::Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), metrics, clock)) {}

PooledDirectory::~PooledDirectory() = default;

void PooledDirectory::Find(std::string address, absl::Time deadline, FindDone done) {
  impl_->Find(std::move(address), deadline, std::move(done));
}

void PooledDirectory::CheckPassword(std::string address, std::string password, absl::Time deadline,
                                    CheckDone done) {
  impl_->CheckPassword(std::move(address), std::move(password), deadline, std::move(done));
}

bool PooledDirectory::has_verifiers() const { return impl_->options().has_verifiers; }

}  // namespace turnpike::auth
