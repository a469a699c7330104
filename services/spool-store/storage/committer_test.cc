#include "services/spool-store/storage/committer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

class Put : public Operation {
 public:
  Put(std::string key, std::atomic<int>* answered) : key_(std::move(key)), answered_(answered) {}
  void Build(CommitContext& context) override {
    auto before = context.Get(context.database().state(), key_);
    const std::string value = before.ok() ? *before + "x" : "x";
    context.PutTracked(context.database().state(), key_, value);
    id_ = context.NextDeliveryId();
  }
  void Apply(bool written) override { written_ = written; }
  void Answer() override {
    if (written_) ++*answered_;
  }
  uint64_t id_ = 0;

 private:
  const std::string key_;
  std::atomic<int>* const answered_;
  bool written_ = false;
};

class CommitterTest : public testing::Test {
 protected:
  void Open() {
    auto database = Database::Open({.directory = directory_.path()});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Committer::Hooks hooks;
    hooks.mu = &mu_;
    hooks.around_answers = around_answers_;
    hooks.observe = [this](size_t operations, absl::Duration, const absl::Status&) {
      operations_ += operations;
      ++batches_;
    };
    committer_ = std::make_unique<Committer>(*database_, std::move(hooks));
    ASSERT_TRUE(committer_->Init().ok());
    committer_->Start();
  }
  void Close() {
    committer_ = nullptr;
    database_ = nullptr;
  }

  TemporaryDirectory directory_;
  absl::Mutex mu_;
  std::function<void(absl::FunctionRef<void()>)> around_answers_;
  std::atomic<size_t> operations_ = 0;
  std::atomic<size_t> batches_ = 0;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Committer> committer_;
};

TEST_F(CommitterTest, EverythingSubmittedIsWrittenAndAnsweredOnce) {
  Open();
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        committer_->Submit(std::make_unique<Put>(std::to_string(t * 1000 + i), &answered));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  committer_ = nullptr;
  EXPECT_EQ(answered, 800);
  EXPECT_EQ(operations_, 800u);
  EXPECT_LE(batches_, 800u);
}

TEST_F(CommitterTest, AnswersOfABatchAreGivenTogether) {
  std::atomic<int> answered = 0;
  std::atomic<int> rounds = 0;
  around_answers_ = [&](absl::FunctionRef<void()> answer) {
    const int before = answered;
    answer();
    if (answered > before) ++rounds;
  };
  Open();
  for (int i = 0; i < 500; ++i) committer_->Submit(std::make_unique<Put>("key", &answered));
  committer_ = nullptr;
  EXPECT_EQ(answered, 500);
  EXPECT_EQ(static_cast<size_t>(rounds), batches_);
}

TEST_F(CommitterTest, OperationsSeeWhatEarlierOnesOfTheirBatchWrote) {
  Open();
  std::atomic<int> answered = 0;
  for (int i = 0; i < 50; ++i) committer_->Submit(std::make_unique<Put>("same", &answered));
  committer_ = nullptr;
  std::string value;
  ASSERT_TRUE(database_->Get(database_->state(), "same", &value).ok());
  EXPECT_EQ(value.size(), 50u);
}

TEST_F(CommitterTest, IdsAreNeverUsedTwice) {
  class LastId : public Operation {
   public:
    explicit LastId(uint64_t* out) : out_(out) {}
    void Build(CommitContext& context) override { *out_ = context.NextDeliveryId(); }
    void Apply(bool) override {}
    void Answer() override {}

   private:
    uint64_t* const out_;
  };
  uint64_t first = 0;
  uint64_t second = 0;
  Open();
  committer_->Submit(std::make_unique<LastId>(&first));
  Close();
  Open();
  committer_->Submit(std::make_unique<LastId>(&second));
  Close();
  EXPECT_GT(first, 0u);
  EXPECT_GT(second, first);
}

TEST_F(CommitterTest, SecondProcessIsToldThatTheSpoolIsInUse) {
  Open();
  auto second = Database::Open({.directory = directory_.path()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
}

}  // namespace
}  // namespace turnpike::spool
