#include "services/spool-store/client/shard_enqueuer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/base/clock.h"
#include "services/spool-store/client/not_sent.h"
#include "services/spool-store/client/testing_shards.h"

namespace turnpike::spool {
namespace {

constexpr size_t kShards = 3;

class ShardEnqueuerTest : public testing::Test {
 protected:
  ~ShardEnqueuerTest() override { enqueuer_->Shutdown(); }

  using Result = std::shared_ptr<absl::Status>;

  // UNKNOWN until there is an answer.
  Result Enqueue(uint64_t id, absl::Duration time = absl::Minutes(1)) {
    auto result = std::make_shared<absl::Status>(absl::UnknownError("no answer"));
    enqueuer_->Enqueue(TestMessage(id, v1::QUEUE_KIND_REMOTE, "example.org", false),
                       clock_.Now() + time,
                       [result](absl::Status status) { *result = std::move(status); });
    return result;
  }
  Result Append(const std::string& id, int64_t offset, std::string data) {
    auto result = std::make_shared<absl::Status>(absl::UnknownError("no answer"));
    enqueuer_->AppendContent(id, offset, std::move(data),
                             [result](absl::Status status) { *result = std::move(status); });
    return result;
  }
  Result EnqueuePieces(const std::string& id, int64_t bytes) {
    v1::NewMessage message = TestMessage(1, v1::QUEUE_KIND_REMOTE, "example.org", false);
    message.set_message_id(id);
    message.clear_inline_content();
    message.set_content_bytes(bytes);
    auto result = std::make_shared<absl::Status>(absl::UnknownError("no answer"));
    enqueuer_->Enqueue(std::move(message), absl::InfiniteFuture(),
                       [result](absl::Status status) { *result = std::move(status); });
    return result;
  }
  std::vector<size_t> Counts() {
    std::vector<size_t> counts;
    for (size_t i = 0; i < kShards; ++i) counts.push_back(shards_.store(i).messages().size());
    return counts;
  }
  size_t Total() {
    size_t total = 0;
    for (const size_t count : Counts()) total += count;
    return total;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  TestShards shards_{kShards, clock_};
  const std::shared_ptr<ShardEnqueuer> enqueuer_ =
      std::make_shared<ShardEnqueuer>(shards_.shards(), ShardEnqueuer::Options(), clock_);
};

TEST_F(ShardEnqueuerTest, MessagesAreSpreadEvenly) {
  for (uint64_t id = 0; id < 3000; ++id) EXPECT_TRUE(Enqueue(id)->ok());
  for (const size_t count : Counts()) EXPECT_NEAR(static_cast<double>(count), 1000, 150);
}

TEST_F(ShardEnqueuerTest, ShardThatIsAwayGetsNothing) {
  shards_.SetUp(1, false);
  for (uint64_t id = 0; id < 300; ++id) EXPECT_TRUE(Enqueue(id)->ok());
  EXPECT_EQ(Counts()[1], 0u);
  EXPECT_EQ(Total(), 300u);
}

TEST_F(ShardEnqueuerTest, RefusedMessageGoesToAnotherShard) {
  shards_.store(0).SetEnqueueStatus(absl::ResourceExhaustedError("full"));
  shards_.store(2).SetEnqueueStatus(absl::FailedPreconditionError("being emptied"));
  for (uint64_t id = 0; id < 100; ++id) EXPECT_TRUE(Enqueue(id)->ok());
  EXPECT_EQ(Counts(), (std::vector<size_t>{0, 100, 0}));
}

TEST_F(ShardEnqueuerTest, ShardThatHasRefusedIsLeftAloneForAWhile) {
  shards_.store(0).SetEnqueueStatus(absl::ResourceExhaustedError("full"));
  for (uint64_t id = 0; id < 100; ++id) Enqueue(id);
  shards_.store(0).SetEnqueueStatus(absl::OkStatus());
  for (uint64_t id = 100; id < 200; ++id) Enqueue(id);
  EXPECT_EQ(Counts()[0], 0u);
  clock_.Advance(absl::Seconds(6));
  for (uint64_t id = 200; id < 300; ++id) Enqueue(id);
  EXPECT_GT(Counts()[0], 0u);
  EXPECT_EQ(Total(), 300u);
}

TEST_F(ShardEnqueuerTest, WhenAllAreFullTheSenderHearsIt) {
  for (size_t i = 0; i < kShards; ++i) {
    shards_.store(i).SetEnqueueStatus(absl::ResourceExhaustedError("full"));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(*Enqueue(1)));
  EXPECT_TRUE(absl::IsResourceExhausted(*Enqueue(2)));  // though all were left alone
}

TEST_F(ShardEnqueuerTest, WhenAllAreBeingEmptiedItIsTriedLater) {
  for (size_t i = 0; i < kShards; ++i) {
    shards_.store(i).SetEnqueueStatus(absl::FailedPreconditionError("being emptied"));
  }
  EXPECT_TRUE(absl::IsUnavailable(*Enqueue(1)));
}

TEST_F(ShardEnqueuerTest, MessagesWaitForAShardThatIsAwayBesideOneThatIsBeingEmptied) {
  shards_.SetUp(0, false);
  shards_.SetUp(1, false);
  shards_.store(2).SetEnqueueStatus(absl::FailedPreconditionError("being emptied"));
  const Result first = Enqueue(1);  // refused by it
  shards_.store(2).SetEnqueueStatus(absl::DeadlineExceededError("it went without an answer"));
  const Result second = Enqueue(2);  // not given to it
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(absl::IsUnknown(*first));
  EXPECT_TRUE(absl::IsUnknown(*second));
  shards_.SetUp(0, true);
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(first->ok());
  EXPECT_TRUE(second->ok());
  EXPECT_EQ(Counts(), (std::vector<size_t>{2, 0, 0}));
}

TEST_F(ShardEnqueuerTest, ShardThatWasBeingEmptiedIsAskedAgainLater) {
  shards_.SetUp(0, false);
  shards_.SetUp(1, false);
  shards_.store(2).SetEnqueueStatus(absl::FailedPreconditionError("being emptied"));
  const Result result = Enqueue(1);
  shards_.store(2).SetEnqueueStatus(absl::OkStatus());
  clock_.Advance(absl::Seconds(4));
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(absl::IsUnknown(*result));
  clock_.Advance(absl::Seconds(1));
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(result->ok());
}

TEST_F(ShardEnqueuerTest, MessageThatMayBeStoredIsGivenToNoOtherShard) {
  for (size_t i = 0; i < kShards; ++i) {
    shards_.store(i).SetEnqueueStatus(absl::DeadlineExceededError("no answer in time"));
  }
  const Result result = Enqueue(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(*result));
  for (size_t i = 0; i < kShards; ++i) shards_.store(i).SetEnqueueStatus(absl::OkStatus());
  clock_.Advance(absl::Seconds(1));
  enqueuer_->Tick(clock_.Now());
  EXPECT_EQ(Total(), 0u);
}

TEST_F(ShardEnqueuerTest, MessageThatWasNotSentGoesToAnotherShard) {
  shards_.store(0).SetEnqueueStatus(NotSentError("away"));
  shards_.store(1).SetEnqueueStatus(NotSentError("away"));
  for (uint64_t id = 0; id < 50; ++id) EXPECT_TRUE(Enqueue(id)->ok());
  EXPECT_EQ(Counts(), (std::vector<size_t>{0, 0, 50}));
}

TEST_F(ShardEnqueuerTest, MessagesWaitForTheFirstShardThatComesUp) {
  for (size_t i = 0; i < kShards; ++i) shards_.SetUp(i, false);
  const Result result = Enqueue(1);
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(absl::IsUnknown(*result));
  shards_.SetUp(2, true);
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(result->ok());
  EXPECT_EQ(Counts(), (std::vector<size_t>{0, 0, 1}));
}

TEST_F(ShardEnqueuerTest, WaitingEndsAtTheDeadline) {
  for (size_t i = 0; i < kShards; ++i) shards_.SetUp(i, false);
  const Result result = Enqueue(1, absl::Seconds(30));
  clock_.Advance(absl::Seconds(31));
  enqueuer_->Tick(clock_.Now());
  EXPECT_TRUE(absl::IsDeadlineExceeded(*result));
  shards_.SetUp(0, true);
  enqueuer_->Tick(clock_.Now());
  EXPECT_EQ(Total(), 0u);
}

TEST_F(ShardEnqueuerTest, NoMoreWaitThanThereIsRoomFor) {
  const auto small = std::make_shared<ShardEnqueuer>(
      shards_.shards(), ShardEnqueuer::Options{.waiting_bytes_max = 1}, clock_);
  shards_.SetUp(0, false);
  shards_.SetUp(1, false);
  shards_.SetUp(2, false);
  absl::Status result;
  small->Enqueue(TestMessage(1, v1::QUEUE_KIND_REMOTE, "example.org", false),
                 absl::InfiniteFuture(), [&](absl::Status status) { result = std::move(status); });
  EXPECT_TRUE(absl::IsUnavailable(result));
}

TEST_F(ShardEnqueuerTest, PiecesAndTheirMessageGoToOneShard) {
  for (char letter = 'a'; letter < 'k'; ++letter) {
    const std::string id(16, letter);
    ASSERT_TRUE(Append(id, 0, "one ")->ok());
    ASSERT_TRUE(Append(id, 4, "two")->ok());
    EXPECT_TRUE(EnqueuePieces(id, 7)->ok());
  }
  EXPECT_EQ(Total(), 10u);
}

TEST_F(ShardEnqueuerTest, FirstPieceIsTriedElsewhere) {
  shards_.store(0).SetEnqueueStatus(absl::UnavailableError("away"));
  shards_.store(1).SetEnqueueStatus(absl::AbortedError("broken"));
  for (char letter = 'a'; letter < 'k'; ++letter) {
    const std::string id(16, letter);
    ASSERT_TRUE(Append(id, 0, "content")->ok());
    EXPECT_TRUE(EnqueuePieces(id, 7)->ok());
  }
  EXPECT_EQ(Counts(), (std::vector<size_t>{0, 0, 10}));
}

TEST_F(ShardEnqueuerTest, FailedPieceEndsItsMessage) {
  const std::string id(16, 'a');
  ASSERT_TRUE(Append(id, 0, "one ")->ok());
  for (size_t i = 0; i < kShards; ++i) {
    shards_.store(i).SetEnqueueStatus(absl::UnavailableError("away"));
  }
  EXPECT_TRUE(absl::IsUnavailable(*Append(id, 4, "two")));
  for (size_t i = 0; i < kShards; ++i) shards_.store(i).SetEnqueueStatus(absl::OkStatus());
  EXPECT_TRUE(absl::IsAborted(*Append(id, 4, "two")));  // nothing is kept of it
  EXPECT_TRUE(absl::IsAborted(*EnqueuePieces(id, 7)));
}

TEST_F(ShardEnqueuerTest, PiecesAvoidAFullShardForLonger) {
  shards_.store(0).SetEnqueueStatus(absl::ResourceExhaustedError("full"));
  for (uint64_t id = 0; id < 100; ++id) Enqueue(id);
  shards_.store(0).SetEnqueueStatus(absl::OkStatus());
  clock_.Advance(absl::Seconds(30));
  for (char letter = 'a'; letter < 'z'; ++letter) {
    const std::string id(16, letter);
    ASSERT_TRUE(Append(id, 0, "content")->ok());
    EXPECT_TRUE(EnqueuePieces(id, 7)->ok());
  }
  EXPECT_EQ(Counts()[0], 0u);
}

TEST_F(ShardEnqueuerTest, AbortedContentIsForgotten) {
  const std::string id(16, 'a');
  ASSERT_TRUE(Append(id, 0, "content")->ok());
  enqueuer_->AbortContent(id);
  EXPECT_TRUE(absl::IsAborted(*Append(id, 7, "more")));
  EXPECT_TRUE(absl::IsAborted(*EnqueuePieces(id, 7)));
}

TEST_F(ShardEnqueuerTest, ShutdownEndsWhatWaits) {
  for (size_t i = 0; i < kShards; ++i) shards_.SetUp(i, false);
  const Result waiting = Enqueue(1);
  enqueuer_->Shutdown();
  EXPECT_TRUE(absl::IsCancelled(*waiting));
  EXPECT_TRUE(absl::IsCancelled(*Enqueue(2)));
}

}  // namespace
}  // namespace turnpike::spool
