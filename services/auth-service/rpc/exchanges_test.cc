#include "services/auth-service/rpc/exchanges.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace turnpike::auth {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

std::unique_ptr<RunningExchange> Exchange(const std::string& session_id, absl::Time begin_time) {
  auto exchange = std::make_unique<RunningExchange>();
  exchange->session_id = session_id;
  exchange->begin_time = begin_time;
  return exchange;
}

TEST(ExchangesTest, ExchangeIsTakenOnce) {
  Exchanges exchanges(10);
  EXPECT_EQ(exchanges.Take("a"), nullptr);
  ASSERT_TRUE(exchanges.Put(Exchange("a", kStart), kStart));
  EXPECT_NE(exchanges.Take("a"), nullptr);
  EXPECT_EQ(exchanges.Take("a"), nullptr);
}

TEST(ExchangesTest, ForgottenExchangesMakeRoom) {
  Exchanges exchanges(2);
  ASSERT_TRUE(exchanges.Put(Exchange("a", kStart), kStart));
  const absl::Time later = kStart + Exchanges::kAgeMax;
  ASSERT_TRUE(exchanges.Put(Exchange("b", later), later));
  EXPECT_FALSE(exchanges.Put(Exchange("c", later), later));
  const absl::Time last = later + absl::Seconds(1);
  EXPECT_TRUE(exchanges.Put(Exchange("c", last), last));
  EXPECT_EQ(exchanges.Take("a"), nullptr);
  EXPECT_NE(exchanges.Take("b"), nullptr);
}

}  // namespace
}  // namespace turnpike::auth
