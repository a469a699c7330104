#include "services/common/base/random.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

TEST(RandomTest, NumbersDoNotRepeatOverStocksAndThreads) {
  std::vector<std::vector<uint64_t>> numbers(4);
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& mine : numbers) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 10'000; ++i) mine.push_back(RandomUint64());
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::flat_hash_set<uint64_t> all;
  for (const std::vector<uint64_t>& mine : numbers) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 40'000u);
}

TEST(RandomTest, EveryOctetOfAnySizeIsFilled) {
  for (const size_t size : {1, 15, 1024, 1025, 10'000}) {
    // Over 64 fills each octet is set at least once, or the chance of it is 2^-512.
    std::vector<uint8_t> seen(size);
    for (int i = 0; i < 64; ++i) {
      std::vector<uint8_t> octets(size);
      FillRandom(absl::MakeSpan(octets));
      for (size_t j = 0; j < size; ++j) seen[j] |= octets[j];
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 0) << size;
  }
}

TEST(RandomTest, UnitIsBelowOne) {
  for (int i = 0; i < 10'000; ++i) {
    const double unit = RandomUnit();
    EXPECT_GE(unit, 0);
    EXPECT_LT(unit, 1);
  }
}

TEST(JitterTest, StaysWithinTheFraction) {
  EXPECT_EQ(Jitter(absl::Seconds(100), 0.2, 0), absl::Seconds(80));
  EXPECT_EQ(Jitter(absl::Seconds(100), 0.2, 0.5), absl::Seconds(100));
  EXPECT_LT(Jitter(absl::Seconds(100), 0.2, 0.999), absl::Seconds(120));
  EXPECT_EQ(Jitter(absl::Seconds(100), 0), absl::Seconds(100));
}

}  // namespace
}  // namespace turnpike::base
