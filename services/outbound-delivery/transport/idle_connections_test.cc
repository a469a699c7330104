#include "services/outbound-delivery/transport/idle_connections.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

Connection MakeConnection(const std::string& host, const std::string& key, int messages = 1) {
  Connection connection;
  connection.host = host;
  connection.key = key;
  connection.messages = messages;
  return connection;
}

TEST(IdleConnectionsTest, WhatIsOnOfferIsTakenOnceByWhoeverAsksForItsLike) {
  IdleConnections idle;
  int told = 0;
  const auto offer = idle.Add(MakeConnection("mx", "key"), [&] { ++told; });
  EXPECT_TRUE(idle.Has("mx"));
  EXPECT_FALSE(idle.Has("other"));
  EXPECT_FALSE(idle.Take("mx", "another key").has_value());
  EXPECT_FALSE(idle.Take("other", "key").has_value());
  EXPECT_EQ(told, 0);
  EXPECT_TRUE(idle.Take("mx", "key").has_value());
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(idle.Take("mx", "key").has_value());
  EXPECT_FALSE(idle.Has("mx"));
  EXPECT_FALSE(std::move(*offer).Withdraw().has_value());
}

TEST(IdleConnectionsTest, WhatNobodyTookComesBack) {
  IdleConnections idle;
  const auto offer = idle.Add(MakeConnection("mx", "key", 7), [] { FAIL() << "taken"; });
  const std::optional<Connection> back = std::move(*offer).Withdraw();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->messages, 7);
  EXPECT_EQ(idle.size(), 0u);
  EXPECT_FALSE(idle.Take("mx", "key").has_value());
}

TEST(IdleConnectionsTest, OfferThatEndsTakesItsConnectionWithIt) {
  IdleConnections idle;
  {
    const auto offer = idle.Add(MakeConnection("mx", "key"), [] { FAIL() << "taken"; });
  }
  EXPECT_EQ(idle.size(), 0u);
}

TEST(IdleConnectionsTest, TheOneThatWasOfferedLastGoesFirst) {
  IdleConnections idle;
  const auto first = idle.Add(MakeConnection("mx", "key", 1), [] {});
  const auto second = idle.Add(MakeConnection("mx", "key", 2), [] {});
  const auto other = idle.Add(MakeConnection("mx", "another key", 3), [] {});
  EXPECT_EQ(idle.Take("mx", "key")->messages, 2);
  EXPECT_EQ(idle.Take("mx", "key")->messages, 1);
  EXPECT_EQ(idle.size(), 1u);
}

TEST(IdleConnectionsTest, EachConnectionHasOneUserOnly) {
  IdleConnections idle;
  constexpr int kOffers = 2000;
  std::atomic<int> taken{0};
  std::atomic<int> told{0};
  std::atomic<int> withdrawn{0};
  std::atomic<bool> done{false};
  std::thread taker([&] {
    while (!done) taken += idle.Take("mx", "key").has_value() ? 1 : 0;
  });
  std::vector<std::thread> givers;
  for (int i = 0; i < 2; ++i) {
    givers.emplace_back([&] {
      for (int n = 0; n < kOffers; ++n) {
        const auto offer = idle.Add(MakeConnection("mx", "key"), [&] { ++told; });
        withdrawn += std::move(*offer).Withdraw().has_value() ? 1 : 0;
      }
    });
  }
  for (std::thread& giver : givers) giver.join();
  done = true;
  taker.join();
  EXPECT_EQ(taken + withdrawn, 2 * kOffers);
  EXPECT_EQ(taken, told);
  EXPECT_EQ(idle.size(), 0u);
}

}  // namespace
}  // namespace turnpike::delivery
