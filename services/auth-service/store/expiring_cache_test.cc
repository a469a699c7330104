#include "services/auth-service/store/expiring_cache.h"

#include <gtest/gtest.h>

namespace turnpike::auth {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(ExpiringCacheTest, EachValueHasItsOwnTime) {
  ExpiringCache<int> cache(10);
  cache.Add("a", 1, kNow, kNow + absl::Minutes(10));
  cache.Add("b", 2, kNow, kNow + absl::Minutes(1));
  EXPECT_EQ(cache.Find("a", kNow), 1);
  EXPECT_EQ(cache.Find("b", kNow), 2);
  EXPECT_EQ(cache.Find("c", kNow), std::nullopt);
  EXPECT_EQ(cache.Find("a", kNow + absl::Minutes(1)), 1);
  EXPECT_EQ(cache.Find("b", kNow + absl::Minutes(1)), std::nullopt);
  EXPECT_EQ(cache.Find("a", kNow + absl::Minutes(10)), std::nullopt);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(ExpiringCacheTest, NewerValueTakesThePlaceAndOneThatIsOverIsNone) {
  ExpiringCache<int> cache(10);
  cache.Add("a", 1, kNow, kNow + absl::Minutes(1));
  cache.Add("a", 2, kNow, kNow + absl::Minutes(5));
  EXPECT_EQ(cache.Find("a", kNow + absl::Minutes(3)), 2);
  cache.Add("a", 3, kNow, kNow);
  EXPECT_EQ(cache.Find("a", kNow), std::nullopt);
}

TEST(ExpiringCacheTest, WhatWasNotLookedForGoesFirst) {
  ExpiringCache<int> cache(2);
  cache.Add("a", 1, kNow, absl::InfiniteFuture());
  cache.Add("b", 2, kNow, absl::InfiniteFuture());
  cache.Find("a", kNow);
  cache.Add("c", 3, kNow, absl::InfiniteFuture());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find("a", kNow), 1);
  EXPECT_EQ(cache.Find("b", kNow), std::nullopt);
  EXPECT_EQ(cache.Find("c", kNow), 3);
}

}  // namespace
}  // namespace turnpike::auth
