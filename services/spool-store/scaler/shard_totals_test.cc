#include "services/spool-store/scaler/shard_totals.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "absl/strings/match.h"

namespace turnpike::spool {
namespace {

v1::Shard Make(int64_t due, int64_t leased, int64_t oldest_due = 0) {
  v1::Shard shard;
  shard.set_due(due);
  shard.set_leased(leased);
  if (oldest_due != 0) shard.mutable_oldest_due_time()->set_seconds(oldest_due);
  return shard;
}

// Answers when the test says so.
class ManualSource : public ShardSource {
 public:
  explicit ManualSource(std::string name) : name_(std::move(name)) {}
  void Ask(absl::Time, Done done) override { questions_.push_back(std::move(done)); }
  const std::string& name() const override { return name_; }

  size_t asked() const { return questions_.size(); }
  // The last question.
  void Answer(absl::StatusOr<v1::Shard> answer) { questions_.back()(std::move(answer)); }

 private:
  const std::string name_;
  std::vector<Done> questions_;
};

class ShardTotalsTest : public ::testing::Test {
 protected:
  ShardTotalsTest() {
    std::vector<std::unique_ptr<ShardSource>> sources;
    for (const char* name : {"store-0:7101", "store-1:7101"}) {
      auto source = std::make_unique<ManualSource>(name);
      shards_.push_back(source.get());
      sources.push_back(std::move(source));
    }
    totals_ = std::make_unique<ShardTotals>(std::move(sources), ShardTotals::Options(), clock_);
  }

  // Asks, and keeps what comes in `answers_`.
  void Ask() {
    totals_->Get([this](absl::StatusOr<Totals> totals) { answers_.push_back(std::move(totals)); });
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'000)};
  std::vector<ManualSource*> shards_;
  std::vector<absl::StatusOr<Totals>> answers_;
  std::unique_ptr<ShardTotals> totals_;  // tells who waits when it goes
};

TEST_F(ShardTotalsTest, SumIsOverAllShardsAndTheOldestIsTheirOldest) {
  Ask();
  shards_[1]->Answer(Make(5, 2, 900));
  EXPECT_TRUE(answers_.empty());
  shards_[0]->Answer(Make(10, 0, 950));
  ASSERT_EQ(answers_.size(), 1u);
  ASSERT_TRUE(answers_[0].ok()) << answers_[0].status();
  EXPECT_EQ(answers_[0]->due, 15);
  EXPECT_EQ(answers_[0]->leased, 2);
  EXPECT_EQ(answers_[0]->oldest_due, absl::FromUnixSeconds(900));
}

TEST_F(ShardTotalsTest, NothingDueHasNoOldest) {
  Ask();
  for (ManualSource* shard : shards_) shard->Answer(Make(0, 1));
  EXPECT_EQ(answers_.at(0)->oldest_due, std::nullopt);
}

TEST_F(ShardTotalsTest, ShardThatDoesNotSayIsAnErrorAndNotALowSum) {
  Ask();
  shards_[0]->Answer(Make(10, 0));
  shards_[1]->Answer(absl::DeadlineExceededError("too late"));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(answers_[0].status().message(), "store-1:7101"));
  // It is not kept: the next question asks again.
  Ask();
  for (ManualSource* shard : shards_) shard->Answer(Make(1, 0));
  EXPECT_EQ(answers_.at(1)->due, 2);
}

TEST_F(ShardTotalsTest, ManyWhoAskAtOnceShareOneQuestion) {
  Ask();
  Ask();
  Ask();
  EXPECT_EQ(shards_[0]->asked(), 1u);
  for (ManualSource* shard : shards_) shard->Answer(Make(1, 0));
  EXPECT_EQ(answers_.size(), 3u);
}

TEST_F(ShardTotalsTest, SumIsKeptForAMoment) {
  Ask();
  for (ManualSource* shard : shards_) shard->Answer(Make(1, 0));
  clock_.Advance(absl::Milliseconds(900));
  Ask();
  EXPECT_EQ(answers_.size(), 2u);
  EXPECT_EQ(shards_[0]->asked(), 1u);
  clock_.Advance(absl::Milliseconds(200));
  Ask();
  EXPECT_EQ(answers_.size(), 2u);
  EXPECT_EQ(shards_[0]->asked(), 2u);
}

TEST_F(ShardTotalsTest, WhoWaitsIsToldWhenItEnds) {
  Ask();
  totals_ = nullptr;
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace turnpike::spool
