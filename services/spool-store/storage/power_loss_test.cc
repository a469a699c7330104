// Takes away, at any moment, everything that was written but not synced, and looks for what the
// store had acknowledged (PL-20).
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "rocksdb/env.h"
#include "services/common/base/clock.h"
#include "services/common/base/random.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"
#include "services/spool-store/storage/testing_file_system.h"
#include "services/spool-store/storage/testing_load.h"

namespace turnpike::spool {
namespace {

constexpr int kLosses = 12;
constexpr size_t kWriteBufferBytes = 1 << 20;  // so that files are written all the time

std::string CopyPath(const TemporaryDirectory& directory, int loss) {
  return absl::StrCat(directory.path(), "/copy", loss);
}

TEST(PowerLossTest, NothingAcknowledgedIsLostWithWhatWasNotSynced) {
  TemporaryDirectory directory;
  auto file_system = std::make_shared<LosingFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(file_system);
  Metrics metrics(std::make_shared<prometheus::Registry>());
  auto store = RocksStore::Open({.directory = directory.path() + "/spool",
                                 .free_bytes_min = 0,
                                 .write_buffer_bytes = kWriteBufferBytes,
                                 .env_for_test = env.get()},
                                base::Clock::System(), metrics);
  ASSERT_TRUE(store.ok()) << store.status();

  absl::Mutex mu;
  LoadRecord said;  // guarded by mu
  Load load(**store, [&](char what, const std::string& name) {
    absl::MutexLock lock(&mu);
    said.Note(what, name);
  });
  std::vector<LoadRecord> copies;
  for (int loss = 0; loss < kLosses; ++loss) {
    const absl::Time moment = absl::Now() + absl::Milliseconds(base::RandomUint64() % 200);
    while (absl::Now() < moment) {
      load.Turn();
      absl::SleepFor(absl::Milliseconds(2));
    }
    // What is acknowledged now must be in a copy made after; what is tried by then may be gone.
    LoadRecord before;
    {
      absl::MutexLock lock(&mu);
      before = said;
    }
    file_system->CopySynced(directory.path() + "/spool", CopyPath(directory, loss));
    {
      absl::MutexLock lock(&mu);
      before.tried = said.tried;
    }
    copies.push_back(std::move(before));
  }
  load.Stop();
  store->reset();

  for (int loss = 0; loss < kLosses; ++loss) {
    SCOPED_TRACE(absl::StrCat("loss ", loss));
    Metrics copy_metrics(std::make_shared<prometheus::Registry>());
    auto reopened = RocksStore::Open({.directory = CopyPath(directory, loss), .free_bytes_min = 0},
                                     base::Clock::System(), copy_metrics);
    ASSERT_TRUE(reopened.ok()) << reopened.status();
    ExpectComplete(**reopened, copies[static_cast<size_t>(loss)]);
  }
  EXPECT_GT(copies.back().stored.size(), 100u);
  std::printf("%d losses of power, %zu deliveries acknowledged\n", kLosses,
              copies.back().stored.size());
}

}  // namespace
}  // namespace turnpike::spool
