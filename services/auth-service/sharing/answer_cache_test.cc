#include "services/auth-service/sharing/answer_cache.h"

#include <gtest/gtest.h>

namespace turnpike::auth {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(AnswerCacheTest, EachAnswerHasItsOwnTime) {
  AnswerCache cache({absl::Minutes(10), absl::Minutes(1), 10});
  cache.Add("a", true, kNow);
  cache.Add("b", false, kNow);
  EXPECT_EQ(cache.Find("a", kNow), true);
  EXPECT_EQ(cache.Find("b", kNow), false);
  EXPECT_EQ(cache.Find("c", kNow), std::nullopt);
  EXPECT_EQ(cache.Find("a", kNow + absl::Minutes(1)), true);
  EXPECT_EQ(cache.Find("b", kNow + absl::Minutes(1)), std::nullopt);
  EXPECT_EQ(cache.Find("a", kNow + absl::Minutes(10)), std::nullopt);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(AnswerCacheTest, NoTimeIsNoMemory) {
  AnswerCache cache({absl::Minutes(10), absl::ZeroDuration(), 10});
  cache.Add("a", true, kNow);
  cache.Add("a", false, kNow);
  EXPECT_EQ(cache.Find("a", kNow), std::nullopt);
}

TEST(AnswerCacheTest, WhatWasNotAskedForGoesFirst) {
  AnswerCache cache({absl::Minutes(10), absl::Minutes(1), 2});
  cache.Add("a", true, kNow);
  cache.Add("b", true, kNow);
  cache.Find("a", kNow);
  cache.Add("c", true, kNow);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find("a", kNow), true);
  EXPECT_EQ(cache.Find("b", kNow), std::nullopt);
  EXPECT_EQ(cache.Find("c", kNow), true);
}

}  // namespace
}  // namespace turnpike::auth
