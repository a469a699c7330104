#include "services/auth-service/directory/pooled_directory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"

namespace turnpike::auth {
namespace {

// What all connections of a test have in common.
struct Behind {
  std::atomic<int> connections{0};
  std::atomic<int> questions{0};
  absl::Mutex mu;
  absl::Status status ABSL_GUARDED_BY(mu);
  bool is_held ABSL_GUARDED_BY(mu) = false;
};

class FakeDirectory : public BlockingDirectory {
 public:
  explicit FakeDirectory(Behind& behind) : behind_(behind) { ++behind_.connections; }

  absl::StatusOr<std::shared_ptr<const AccountEntry>> Find(const std::string& address,
                                                           absl::Time) override {
    ++behind_.questions;
    absl::MutexLock lock(&behind_.mu);
    behind_.mu.Await(absl::Condition(
        +[](bool* is_held) { return !*is_held; }, &behind_.is_held));
    if (!behind_.status.ok()) return behind_.status;
    if (address != "ann@b.example") return nullptr;
    return std::make_shared<AccountEntry>(AccountEntry{.address = address});
  }
  absl::StatusOr<bool> CheckPassword(const std::string&, const std::string& password,
                                     absl::Time) override {
    ++behind_.questions;
    absl::MutexLock lock(&behind_.mu);
    if (!behind_.status.ok()) return behind_.status;
    return password == "right";
  }

 private:
  Behind& behind_;
};

class PooledDirectoryTest : public testing::Test {
 protected:
  PooledDirectoryTest()
      : clock_(absl::FromUnixSeconds(1'800'000'000)), metrics_(registry_, "ldap") {
    options_.name = "fake";
    options_.connect = [this] { return std::make_unique<FakeDirectory>(behind_); };
    options_.connections_max = 2;
  }
  void Make() { directory_ = std::make_unique<PooledDirectory>(options_, metrics_, clock_); }
  void SetHeld(bool is_held) {
    absl::MutexLock lock(&behind_.mu);
    behind_.is_held = is_held;
  }
  void SetStatus(absl::Status status) {
    absl::MutexLock lock(&behind_.mu);
    behind_.status = std::move(status);
  }

  // `found`, `none` or the error's code.
  std::string Find(const char* address) {
    absl::Notification answered;
    std::string result;
    directory_->Find(address, absl::InfiniteFuture(), [&](auto found) {
      result = !found.ok()         ? absl::StatusCodeToString(found.status().code())
               : *found == nullptr ? "none"
                                   : "found";
      answered.Notify();
    });
    answered.WaitForNotification();
    return result;
  }
  absl::StatusOr<bool> Check(const char* password) {
    absl::Notification answered;
    absl::StatusOr<bool> result;
    directory_->CheckPassword("ann@b.example", password, absl::InfiniteFuture(),
                              [&](absl::StatusOr<bool> agrees) {
                                result = std::move(agrees);
                                answered.Notify();
                              });
    answered.WaitForNotification();
    return result;
  }

  base::ManualClock clock_;
  prometheus::Registry registry_;
  DirectoryMetrics metrics_;
  Behind behind_;
  PooledDirectory::Options options_;
  std::unique_ptr<PooledDirectory> directory_;
};

TEST_F(PooledDirectoryTest, AccountsAndTheirAbsenceAreRememberedForTheirTime) {
  Make();
  EXPECT_EQ(Find("ann@b.example"), "found");
  EXPECT_EQ(Find("ANN@b.example"), "found");
  EXPECT_EQ(Find("bob@b.example"), "none");
  EXPECT_EQ(Find("bob@b.example"), "none");
  EXPECT_EQ(behind_.questions, 2);
  EXPECT_EQ(metrics_.remembered.Value(), 2);
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(Find("ann@b.example"), "found");
  EXPECT_EQ(behind_.questions, 3);
}

TEST_F(PooledDirectoryTest, ErrorsAreNotRemembered) {
  Make();
  SetStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Find("ann@b.example"), "UNAVAILABLE");
  EXPECT_TRUE(absl::IsUnavailable(Check("right").status()));
  EXPECT_EQ(metrics_.errors.Value(), 2);
  SetStatus(absl::OkStatus());
  EXPECT_EQ(Find("ann@b.example"), "found");
}

TEST_F(PooledDirectoryTest, PasswordsAreCheckedEachTime) {
  Make();
  EXPECT_EQ(*Check("right"), true);
  EXPECT_EQ(*Check("wrong"), false);
  EXPECT_EQ(*Check("right"), true);
  EXPECT_EQ(behind_.questions, 3);
}

TEST_F(PooledDirectoryTest, QuestionsAreJoinedAndBoundedAndConnectionsToo) {
  options_.waiting_max = 3;
  Make();
  SetHeld(true);
  std::atomic<int> found{0};
  std::atomic<int> failed{0};
  const auto ask = [&](const std::string& address) {
    directory_->Find(address, absl::InfiniteFuture(),
                     [&](const auto& answer) { ++(answer.ok() ? found : failed); });
  };
  for (int i = 0; i < 50; ++i) ask("ann@b.example");
  while (behind_.questions < 1) absl::SleepFor(absl::Milliseconds(1));
  ask("b@b.example");
  while (behind_.questions < 2) absl::SleepFor(absl::Milliseconds(1));
  for (const char* address : {"c@b.example", "d@b.example", "e@b.example"}) ask(address);
  EXPECT_EQ(failed, 0);
  ask("f@b.example");
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(metrics_.dropped.Value(), 1);
  SetHeld(false);
  while (found < 54) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(behind_.connections, 2);
  EXPECT_EQ(behind_.questions, 5);
}

TEST_F(PooledDirectoryTest, NobodyIsForgottenAtTheEnd) {
  Make();
  SetHeld(true);
  std::atomic<int> answers{0};
  for (const char* address : {"a@b", "b@b", "c@b", "d@b"}) {
    directory_->Find(address, absl::InfiniteFuture(), [&](const auto&) { ++answers; });
  }
  while (behind_.questions < 2) absl::SleepFor(absl::Milliseconds(1));
  SetHeld(false);
  directory_ = nullptr;
  EXPECT_EQ(answers, 4);
}

TEST_F(PooledDirectoryTest, WhatHasWaitedTooLongIsNotAsked) {
  options_.timeout = absl::ZeroDuration();
  Make();
  EXPECT_EQ(Find("ann@b.example"), "DEADLINE_EXCEEDED");
  EXPECT_EQ(behind_.questions, 0);
}

}  // namespace
}  // namespace turnpike::auth
