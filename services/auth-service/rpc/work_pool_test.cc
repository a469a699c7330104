#include "services/auth-service/rpc/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace turnpike::auth {
namespace {

TEST(WorkPoolTest, AllWorkIsDone) {
  std::atomic<int> done{0};
  WorkPool pool({.threads = 3});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(pool.TryAdd([&done] { ++done; }));
  }
  EXPECT_TRUE(pool.WaitUntilIdle(absl::InfiniteFuture()));
  EXPECT_EQ(done, 100);
  EXPECT_EQ(pool.waiting(), 0u);
}

TEST(WorkPoolTest, WaitingWorkIsBounded) {
  absl::Notification started;
  absl::Notification go_on;
  WorkPool pool({.threads = 1, .waiting_max = 1});
  ASSERT_TRUE(pool.TryAdd([&] {
    started.Notify();
    go_on.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.TryAdd([] {}));
  EXPECT_FALSE(pool.TryAdd([] {}));
  EXPECT_FALSE(pool.WaitUntilIdle(absl::InfinitePast()));
  go_on.Notify();
  EXPECT_TRUE(pool.WaitUntilIdle(absl::InfiniteFuture()));
  EXPECT_TRUE(pool.TryAdd([] {}));
}

}  // namespace
}  // namespace turnpike::auth
