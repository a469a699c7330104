// Stores in memory as shards, for tests of what is made of several.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_TESTING_SHARDS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_TESTING_SHARDS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/fake_spool.h"
#include "services/spool-store/client/shard.h"

namespace turnpike::spool {

// A set of shards in memory. `shards()` may be given away once; the stores live as long as those.
class TestShards {
 public:
  TestShards(size_t count, const base::Clock& clock);

  Shards& shards() { return shards_; }
  FakeSpool& store(size_t shard) { return *stores_[shard]; }
  void SetUp(size_t shard, bool is_up) { *up_[shard] = is_up; }

 private:
  Shards shards_;
  std::vector<FakeSpool*> stores_;
  std::vector<std::shared_ptr<std::atomic<bool>>> up_;
};

// Remembers what a lease stream reports. Thread-safe.
class LeaseRecorder : public LeaseStream::Handler {
 public:
  void OnLeased(v1::LeaseResponse response) override;
  void OnShardLost(uint32_t shard, const absl::Status& status) override;
  void OnClosed(absl::Status status) override;

  std::vector<v1::LeasedDelivery> leased() const;
  std::vector<uint32_t> lost() const;
  std::vector<absl::Status> closed() const;
  int drained() const;

 private:
  mutable absl::Mutex mu_;
  std::vector<v1::LeasedDelivery> leased_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> lost_ ABSL_GUARDED_BY(mu_);
  std::vector<absl::Status> closed_ ABSL_GUARDED_BY(mu_);
  int drained_ ABSL_GUARDED_BY(mu_) = 0;
};

// A message for one recipient of a queue; `id` is in its message id.
v1::NewMessage TestMessage(uint64_t id, v1::QueueKind kind, const std::string& queue, bool hold);

// Stores it in one store; true if that worked.
bool StoreIn(FakeSpool& store, const v1::NewMessage& message);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_TESTING_SHARDS_H_
