#include "services/smtp-frontend/session/rate_limit.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::frontend {
namespace {

net::IpAddress Address(const std::string& text) { return *net::IpAddress::Parse(text); }

class RateLimitTest : public ::testing::Test {
 protected:
  // How many of `tries` pass.
  int Take(const std::string& client, int tries) {
    int passed = 0;
    for (int i = 0; i < tries; ++i) passed += limit_.Take(Address(client), now_) ? 1 : 0;
    return passed;
  }

  absl::Time now_ = absl::FromUnixSeconds(1795000000);
  RateLimit limit_;
};

TEST_F(RateLimitTest, SilentClientMayDoAllAtOnceAndThenAsMuchAsIsForgotten) {
  limit_.SetOptions({.period = absl::Minutes(1), .per_client_max = 6});
  EXPECT_EQ(Take("192.0.2.1", 10), 6);
  now_ += absl::Seconds(9);
  EXPECT_EQ(Take("192.0.2.1", 10), 0);
  now_ += absl::Seconds(1);
  EXPECT_EQ(Take("192.0.2.1", 10), 1);
  now_ += absl::Seconds(30);
  EXPECT_EQ(Take("192.0.2.1", 10), 3);
  now_ += absl::Hours(1);
  EXPECT_EQ(Take("192.0.2.1", 10), 6);
}

TEST_F(RateLimitTest, ClientsAreCountedEachForItself) {
  limit_.SetOptions({.per_client_max = 2});
  EXPECT_EQ(Take("192.0.2.1", 3), 2);
  EXPECT_EQ(Take("192.0.2.2", 3), 2);
  EXPECT_EQ(Take("2001:db8::1", 1), 1);
  EXPECT_EQ(Take("2001:db8::2", 3), 1);  // the same customer
  EXPECT_EQ(Take("2001:db8:0:1::1", 3), 2);
}

TEST_F(RateLimitTest, AllTogetherHaveALimitToo) {
  limit_.SetOptions({.per_client_max = 3, .all_max = 4});
  EXPECT_EQ(Take("192.0.2.1", 5), 3);
  EXPECT_EQ(Take("192.0.2.2", 5), 1);
  limit_.SetOptions({.all_max = 4});
  EXPECT_EQ(Take("192.0.2.3", 5), 0);
  EXPECT_EQ(limit_.client_count(), 2u);
}

TEST_F(RateLimitTest, ExemptClientsAreNotCounted) {
  limit_.SetOptions(
      {.per_client_max = 1, .all_max = 1, .exempt = {*net::IpNetwork::Parse("192.0.2.0/28")}});
  EXPECT_EQ(Take("192.0.2.15", 9), 9);
  EXPECT_EQ(Take("192.0.2.16", 9), 1);
}

TEST_F(RateLimitTest, ZeroIsNoLimit) {
  EXPECT_EQ(Take("192.0.2.1", 1000), 1000);
  limit_.SetOptions({.per_client_max = 0, .all_max = 0});
  EXPECT_EQ(Take("192.0.2.1", 1000), 1000);
  EXPECT_EQ(limit_.client_count(), 0u);
}

TEST_F(RateLimitTest, WhatWasDoneCountsUnderAnotherLimit) {
  limit_.SetOptions({.per_client_max = 4});
  EXPECT_EQ(Take("192.0.2.1", 4), 4);
  limit_.SetOptions({.per_client_max = 8});
  EXPECT_EQ(Take("192.0.2.1", 9), 0);
  now_ += absl::Seconds(30);
  EXPECT_EQ(Take("192.0.2.1", 9), 4);
}

TEST_F(RateLimitTest, FullTableLetsOthersPassAndTellsOfIt) {
  int uncounted = 0;
  limit_.SetOptions(
      {.per_client_max = 1, .clients_max = 10, .on_uncounted = [&uncounted] { ++uncounted; }});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Take(absl::StrCat("192.0.2.", i), 2), 1);
  EXPECT_EQ(Take("192.0.2.99", 3), 3);
  EXPECT_EQ(uncounted, 3);
  EXPECT_EQ(limit_.client_count(), 10u);
  now_ += absl::Minutes(2);  // all that was done is forgotten
  EXPECT_EQ(Take("192.0.2.99", 3), 1);
  EXPECT_EQ(uncounted, 3);
  EXPECT_EQ(limit_.client_count(), 1u);
}

}  // namespace
}  // namespace turnpike::frontend
