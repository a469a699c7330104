#include "services/common/base/gate.h"

#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

TEST(GateTest, NobodyEntersAClosedGate) {
  Gate gate;
  EXPECT_TRUE(gate.TryEnter());
  gate.Leave();
  gate.Close();
  EXPECT_FALSE(gate.TryEnter());
  EXPECT_TRUE(gate.WaitUntil(absl::InfinitePast()));
}

TEST(GateTest, WaitEndsAtTheDeadlineWhileSomebodyIsInside) {
  Gate gate;
  ASSERT_TRUE(gate.TryEnter());
  gate.Close();
  EXPECT_FALSE(gate.WaitUntil(absl::Now() + absl::Milliseconds(1)));
  EXPECT_EQ(gate.inside(), 1u);
  gate.Leave();
}

TEST(GateTest, WaitEndsWithTheLastOneOut) {
  Gate gate;
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(gate.TryEnter());
    workers.emplace_back([&gate] { gate.Leave(); });
  }
  gate.Close();
  EXPECT_TRUE(gate.WaitUntil(absl::InfiniteFuture()));
  EXPECT_EQ(gate.inside(), 0u);
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace turnpike::base
