#include "services/common/rpc/callback_order.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace turnpike::rpc {
namespace {

TEST(CallbackOrderTest, RunsWhatIsPostedWithinACallbackAfterIt) {
  CallbackOrder order;
  std::vector<uint32_t> events;
  bool inside = false;
  std::function<void(uint32_t)> run = [&](uint32_t event) {
    EXPECT_FALSE(inside);
    inside = true;
    events.push_back(event);
    if (event == 2) order.Post(1, run);
    inside = false;
  };
  order.Post(2, run);
  EXPECT_EQ(events, (std::vector<uint32_t>{2, 1}));
}

TEST(CallbackOrderTest, NeverRunsTwoCallbacksAtOnceAndLosesNone) {
  constexpr int kPosts = 20'000;
  CallbackOrder order;
  std::atomic<int> running{0};
  std::atomic<int> posted[2] = {0, 0};
  int seen[2] = {0, 0};  // by callbacks only, which are one at a time
  const auto run = [&](uint32_t event) {
    EXPECT_EQ(running.fetch_add(1), 0);
    const int which = event == 1 ? 0 : 1;
    seen[which] = posted[which].load();
    running.fetch_sub(1);
  };
  std::vector<std::thread> threads;
  for (int which = 0; which < 2; ++which) {
    threads.emplace_back([&, which] {
      for (int i = 0; i < kPosts; ++i) {
        posted[which].fetch_add(1);
        order.Post(uint32_t{1} << which, run);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen[0], kPosts);
  EXPECT_EQ(seen[1], kPosts);
}

}  // namespace
}  // namespace turnpike::rpc
