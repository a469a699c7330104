#include "services/spool-store/storage/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

namespace turnpike::spool {
namespace {

TEST(WorkerPoolTest, RunsEverythingThatWasPostedBeforeItsEnd) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(3);
    for (int i = 0; i < 1000; ++i) pool.Post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(WorkerPoolTest, TasksMayPostTasks) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(1);
    pool.Post([&] { pool.Post([&] { ++ran; }); });
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace turnpike::spool
