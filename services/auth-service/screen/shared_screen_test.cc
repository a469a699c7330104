#include "services/auth-service/screen/shared_screen.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::auth {
namespace {

constexpr char kClient[] = "192.0.2.1";

// Some replicas with one shared state, and the updates of each.
class SharedScreenTest : public testing::Test {
 protected:
  SharedScreenTest()
      : clock_(absl::FromUnixSeconds(1'800'000'000)), state_(clock_), metrics_(registry_) {
    options_.settings.rules.failures_max = 3;
    options_.settings.account_failures_max = 5;
    options_.refresh_interval = absl::Milliseconds(5);
  }

  std::unique_ptr<SharedScreen> MakeReplica() {
    return std::make_unique<SharedScreen>(options_, state_, metrics_, clock_);
  }

  static LoginAttempt Attempt(int password, const char* user = "ann@example.org",
                              const char* client = kClient) {
    return {client, user, absl::StrCat("mark", password)};
  }

  // What other replicas do is known soon.
  static bool Soon(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }

  base::ManualClock clock_;
  spool::FakeSharedState state_;
  prometheus::Registry registry_;
  ScreenMetrics metrics_;
  SharedScreen::Options options_;
};

TEST_F(SharedScreenTest, FailuresAtAllReplicasBlockAtAllOfThem) {
  const auto one = MakeReplica();
  const auto two = MakeReplica();
  one->OnFailure(Attempt(1));
  two->OnFailure(Attempt(2));
  EXPECT_FALSE(one->FindBlocked(kClient).has_value());
  EXPECT_TRUE(one->MayTry("ann@example.org", kClient));
  one->OnFailure(Attempt(3));
  ASSERT_TRUE(one->FindBlocked(kClient).has_value());
  EXPECT_EQ(one->FindBlocked(kClient)->network(), "192.0.2.1/32");
  EXPECT_FALSE(one->MayTry("bob@example.org", kClient));
  EXPECT_TRUE(Soon([&] { return two->FindBlocked(kClient).has_value(); }));
  EXPECT_EQ(metrics_.blocked_for_failures.Value(), 1);
}

TEST_F(SharedScreenTest, RestartForgetsNothing) {
  MakeReplica()->OnFailure(Attempt(1));
  MakeReplica()->OnFailure(Attempt(2));
  MakeReplica()->OnFailure(Attempt(3));
  EXPECT_TRUE(MakeReplica()->FindBlocked(kClient).has_value());
}

TEST_F(SharedScreenTest, SameWrongPasswordCountsOnce) {
  const auto screen = MakeReplica();
  for (int i = 0; i < 20; ++i) screen->OnFailure(Attempt(1));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  EXPECT_TRUE(screen->MayTry("ann@example.org", kClient));
  EXPECT_EQ(metrics_.repeated.Value(), 19);
}

TEST_F(SharedScreenTest, BlockEndsAndTheNextIsLonger) {
  const auto screen = MakeReplica();
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  clock_.Advance(absl::Minutes(60) - absl::Seconds(1));
  EXPECT_TRUE(screen->FindBlocked(kClient).has_value());
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  clock_.Advance(absl::Minutes(119));
  EXPECT_TRUE(screen->FindBlocked(kClient).has_value());
  clock_.Advance(absl::Minutes(2));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
}

TEST_F(SharedScreenTest, AllowedAndUnreadableClientsAreNeverBlocked) {
  options_.settings.rules.allowed = {*net::IpNetwork::Parse("192.0.2.0/24")};
  options_.settings.account_failures_max = 1'000;
  const auto screen = MakeReplica();
  for (int i = 0; i < 20; ++i) screen->OnFailure(Attempt(i));
  for (int i = 0; i < 20; ++i) screen->OnFailure(Attempt(i, "ann@example.org", "nonsense"));
  screen->OnDisallowedAuth(kClient);
  screen->OnDisallowedAuth("nonsense");
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  EXPECT_FALSE(screen->FindBlocked("nonsense").has_value());
}

TEST_F(SharedScreenTest, AuthWhereItIsNotAllowedBlocksAtOnce) {
  const auto screen = MakeReplica();
  screen->OnDisallowedAuth("2001:db8:1:2::3");
  EXPECT_TRUE(screen->FindBlocked("2001:db8:1:2::ffff").has_value());
  EXPECT_FALSE(screen->FindBlocked("2001:db8:1:3::3").has_value());
  EXPECT_EQ(metrics_.blocked_for_disallowed_auth.Value(), 1);
}

TEST_F(SharedScreenTest, AccountThatFailsTooOftenIsNotTriedUntilItsWindowIsOver) {
  const auto one = MakeReplica();
  const auto two = MakeReplica();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(one->MayTry("ann@example.org", "198.51.100.99"));
    const std::string client = absl::StrCat("198.51.100.", i);
    one->OnFailure(Attempt(0, "ann@example.org", client.c_str()));
  }
  EXPECT_FALSE(one->MayTry("ANN@example.org", "198.51.100.99"));
  EXPECT_TRUE(one->MayTry("bob@example.org", "198.51.100.99"));
  EXPECT_TRUE(Soon([&] { return !two->MayTry("ann@example.org", "198.51.100.99"); }));
  clock_.Advance(options_.settings.account_failures_window);
  EXPECT_TRUE(one->MayTry("ann@example.org", "198.51.100.99"));
  EXPECT_EQ(metrics_.account_limits.Value(), 1);
}

TEST_F(SharedScreenTest, SubscriberHearsTheWholeAndThenEachChange) {
  const auto screen = MakeReplica();
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  absl::Mutex mu;
  std::vector<v1::ScreenUpdate> updates;
  auto subscription = screen->Subscribe([&](const v1::ScreenUpdate& update) {
    absl::MutexLock lock(&mu);
    updates.push_back(update);
  });
  const auto count = [&] {
    absl::MutexLock lock(&mu);
    return updates.size();
  };
  ASSERT_EQ(count(), 1u);
  EXPECT_TRUE(updates[0].complete());
  EXPECT_EQ(updates[0].blocked_size(), 1);
  screen->OnDisallowedAuth("192.0.2.2");
  ASSERT_EQ(count(), 2u);
  EXPECT_EQ(updates[1].blocked(0).network(), "192.0.2.2/32");
  const auto other = MakeReplica();
  v1::RemoveScreenEntryRequest remove;
  remove.set_network("192.0.2.2");
  other->Remove(remove, [](const absl::StatusOr<v1::RemoveScreenEntryResponse>& done) {
    EXPECT_TRUE(done.ok()) << done.status();
  });
  EXPECT_TRUE(Soon([&] { return count() == 3; }));
  EXPECT_EQ(updates[2].removed(0), "192.0.2.2/32");
  subscription = nullptr;
  screen->OnDisallowedAuth("192.0.2.3");
  EXPECT_EQ(count(), 3u);
}

TEST_F(SharedScreenTest, OperatorsAddListAndRemove) {
  options_.settings.rules.allowed = {*net::IpNetwork::Parse("10.1.0.0/16")};
  const auto screen = MakeReplica();
  const auto add = [&](const char* network, int seconds) {
    v1::AddScreenEntryRequest request;
    request.set_network(network);
    request.set_reason("because");
    if (seconds != 0) request.mutable_block_duration()->set_seconds(seconds);
    absl::Status status;
    screen->Add(request, [&status](const auto& done) { status = done.status(); });
    return status;
  };
  const auto list = [&] {
    std::vector<std::string> networks;
    screen->List({}, [&networks](const absl::StatusOr<v1::ListScreenEntriesResponse>& page) {
      for (const v1::ScreenEntry& entry : page->entries()) networks.push_back(entry.network());
    });
    return networks;
  };
  EXPECT_TRUE(add("198.51.100.0/24", 0).ok());
  EXPECT_TRUE(add("9.9.9.9", 60).ok());
  EXPECT_TRUE(add("2001:db8::/32", 3600).ok());
  for (const char* wrong : {"", "x", "10.1.2.3", "10.0.0.0/8", "1.2.3.4/33"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(add(wrong, 60))) << wrong;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(add("9.9.9.9", -1)));
  EXPECT_EQ(list(), (std::vector<std::string>{"9.9.9.9/32", "198.51.100.0/24", "2001:db8::/32"}));
  EXPECT_TRUE(screen->FindBlocked("198.51.100.77").has_value());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(list(), (std::vector<std::string>{"198.51.100.0/24", "2001:db8::/32"}));
  v1::RemoveScreenEntryRequest remove;
  remove.set_network("198.51.100.0/24");
  absl::Status status;
  screen->Remove(remove, [&status](const auto& done) { status = done.status(); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(screen->FindBlocked("198.51.100.77").has_value());
  screen->Remove(remove, [&status](const auto& done) { status = done.status(); });
  EXPECT_TRUE(absl::IsNotFound(status));
}

TEST_F(SharedScreenTest, RemovalForgetsTheFailures) {
  const auto screen = MakeReplica();
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  v1::RemoveScreenEntryRequest remove;
  remove.set_network(kClient);
  screen->Remove(remove, [](const auto&) {});
  for (int i = 0; i < 2; ++i) screen->OnFailure(Attempt(i));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  clock_.Advance(absl::Minutes(61));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());  // it was a first block
}

TEST_F(SharedScreenTest, ScreenGoesOnWhileTheStateIsAway) {
  const auto screen = MakeReplica();
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i));
  state_.SetStatus(absl::UnavailableError("away"));
  for (int i = 0; i < 3; ++i) screen->OnFailure(Attempt(i, "ann@example.org", "192.0.2.2"));
  EXPECT_TRUE(screen->FindBlocked(kClient).has_value());
  EXPECT_FALSE(screen->FindBlocked("192.0.2.2").has_value());
  EXPECT_EQ(metrics_.error.Value(), 3);
  EXPECT_TRUE(Soon([&] { return metrics_.refresh_errors.Value() > 0; }));
  state_.SetStatus(absl::OkStatus());
  EXPECT_TRUE(Soon([&] { return screen->FindBlocked("192.0.2.2").has_value(); }));
}

TEST_F(SharedScreenTest, FailuresThatWaitForTheStateAreBounded) {
  options_.calls_max = 5;
  const auto screen = MakeReplica();
  state_.SetStatus(absl::UnavailableError("away"));
  for (int i = 0; i < 8; ++i) screen->OnFailure(Attempt(i));
  EXPECT_EQ(metrics_.dropped.Value(), 3);
}

TEST_F(SharedScreenTest, NetworksBeyondTheLimitAreNotWatched) {
  options_.settings.rules.entries_max = 10;
  const auto screen = MakeReplica();
  for (int i = 0; i < 45; ++i) {
    const std::string client = absl::StrCat("198.51.100.", i % 15);
    screen->OnFailure(Attempt(i, "", client.c_str()));
  }
  EXPECT_TRUE(screen->FindBlocked("198.51.100.9").has_value());
  EXPECT_FALSE(screen->FindBlocked("198.51.100.10").has_value());
  EXPECT_EQ(metrics_.dropped.Value(), 15);
}

// [PL-31]
TEST_F(SharedScreenTest, OtherSettingsHoldAtOnceAndForgetNothing) {
  const auto screen = MakeReplica();
  screen->OnFailure(Attempt(1));
  screen->OnFailure(Attempt(2));
  ScreenSettings settings = options_.settings;
  settings.rules.failures_max = 4;
  screen->Reconfigure(settings);
  screen->OnFailure(Attempt(3));
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  screen->OnFailure(Attempt(4));
  EXPECT_TRUE(screen->FindBlocked(kClient).has_value());
  settings.rules.allowed = {*net::IpNetwork::Parse("192.0.2.0/24")};
  screen->Reconfigure(settings);
  EXPECT_TRUE(Soon([&] { return !screen->FindBlocked(kClient).has_value(); }));
}

TEST_F(SharedScreenTest, WhatIsOffBlocksNobody) {
  options_.settings.rules.is_enabled = false;
  const auto screen = MakeReplica();
  for (int i = 0; i < 4; ++i) screen->OnFailure(Attempt(i));
  screen->OnDisallowedAuth(kClient);
  EXPECT_FALSE(screen->FindBlocked(kClient).has_value());
  v1::AddScreenEntryRequest add;
  add.set_network(kClient);
  screen->Add(add,
              [](const auto& done) { EXPECT_TRUE(absl::IsFailedPrecondition(done.status())); });
  EXPECT_TRUE(screen->MayTry("ann@example.org", kClient));
  screen->OnFailure(Attempt(4));
  EXPECT_FALSE(screen->MayTry("ann@example.org", kClient));  // the account's own limit
}

}  // namespace
}  // namespace turnpike::auth
