#include "services/spool-store/client/sharded_spool.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/client/testing_shards.h"

namespace turnpike::spool {
namespace {

constexpr char kDomain[] = "customer.example";

class ShardedSpoolTest : public testing::Test {
 protected:
  ShardedSpoolTest()
      : spool_(CreateShardedSpool(std::move(shards_.shards()), ShardEnqueuer::Options(),
                                  base::Clock::System())) {}

  void StoreHeld(size_t shard, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(StoreIn(shards_.store(shard),
                          TestMessage(++last_id_, v1::QUEUE_KIND_GATEWAY, kDomain, true)));
    }
  }
  static v1::QueueName Queue() {
    v1::QueueName queue;
    queue.set_kind(v1::QUEUE_KIND_GATEWAY);
    queue.set_name(kDomain);
    return queue;
  }
  absl::StatusOr<v1::QueueStats> GetQueue() {
    v1::GetQueueRequest request;
    *request.mutable_queue() = Queue();
    absl::StatusOr<v1::GetQueueResponse> result = absl::UnknownError("no answer");
    spool_->GetQueue(request, absl::InfiniteFuture(),
                     [&](absl::StatusOr<v1::GetQueueResponse> answer) { result = answer; });
    if (!result.ok()) return result.status();
    return result->stats();
  }
  absl::StatusOr<v1::ReleaseQueueResponse> Release() {
    v1::ReleaseQueueRequest request;
    *request.mutable_queue() = Queue();
    absl::StatusOr<v1::ReleaseQueueResponse> result = absl::UnknownError("no answer");
    spool_->ReleaseQueue(request, absl::InfiniteFuture(),
                         [&](absl::StatusOr<v1::ReleaseQueueResponse> answer) { result = answer; });
    return result;
  }

  TestShards shards_{3, base::Clock::System()};
  std::unique_ptr<Spool> spool_;
  uint64_t last_id_ = 0;
};

TEST_F(ShardedSpoolTest, FiguresAreAddedUp) {
  for (size_t shard = 0; shard < 3; ++shard) StoreHeld(shard, 2);
  EXPECT_EQ(GetQueue()->held(), 6);
  EXPECT_EQ(GetQueue()->shards_away(), 0);
}

TEST_F(ShardedSpoolTest, FiguresAreOfThoseThatAnswer) {
  for (size_t shard = 0; shard < 3; ++shard) StoreHeld(shard, 2);
  shards_.store(0).SetQueueStatus(absl::UnavailableError("away"));
  EXPECT_EQ(GetQueue()->held(), 4);
  EXPECT_EQ(GetQueue()->shards_away(), 1);
  shards_.store(1).SetQueueStatus(absl::UnavailableError("away"));
  shards_.store(2).SetQueueStatus(absl::UnavailableError("away"));
  EXPECT_TRUE(absl::IsUnavailable(GetQueue().status()));
}

TEST_F(ShardedSpoolTest, ReleaseIsForAllShards) {
  for (size_t shard = 0; shard < 3; ++shard) StoreHeld(shard, 2);
  EXPECT_EQ(Release()->released(), 6);
  EXPECT_EQ(GetQueue()->ready(), 6);
}

TEST_F(ShardedSpoolTest, ReleaseNamesTheShardThatIsAwayAndReachesTheOthers) {
  for (size_t shard = 0; shard < 3; ++shard) StoreHeld(shard, 2);
  shards_.store(1).SetQueueStatus(absl::UnavailableError("away"));
  const absl::Status status = Release().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(absl::StrContains(status.message(), "shard 1"));
  EXPECT_EQ(shards_.store(0).releases().size(), 1u);
  EXPECT_EQ(shards_.store(2).releases().size(), 1u);
}

TEST_F(ShardedSpoolTest, DeliveryIsSettledAndReadWhereItIs) {
  StoreHeld(2, 1);
  ASSERT_TRUE(Release().ok());
  const auto recorder = std::make_shared<LeaseRecorder>();
  v1::LeaseOpen open;
  open.mutable_due();
  auto stream = spool_->OpenLease(open, recorder);
  stream->AddCredit(3);
  ASSERT_EQ(recorder->leased().size(), 1u);
  const v1::LeasedDelivery leased = recorder->leased()[0];
  EXPECT_EQ(ShardOf(leased.token().delivery_id()), 2u);

  absl::StatusOr<std::string> piece = absl::UnknownError("no answer");
  const auto reader = spool_->ReadContent(leased.token().delivery_id(), leased.message_id());
  reader->Next([&](absl::StatusOr<std::string> next) { piece = std::move(next); });
  EXPECT_TRUE(piece.ok());

  v1::Settlement settlement;
  *settlement.mutable_token() = leased.token();
  v1::RecipientOutcome& outcome = *settlement.add_outcomes();
  outcome.set_index(leased.recipient_indexes(0));
  outcome.set_disposition(v1::DISPOSITION_DELIVERED);
  absl::StatusOr<v1::SettleOutcome> result = absl::UnknownError("no answer");
  spool_->Settle(settlement, absl::InfiniteFuture(),
                 [&](absl::StatusOr<v1::SettleOutcome> answer) { result = answer; });
  EXPECT_EQ(*result, v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_TRUE(shards_.store(2).deliveries().empty());
}

TEST_F(ShardedSpoolTest, DeliveryOfAShardThatIsNotThereIsAnError) {
  v1::Settlement settlement;
  settlement.mutable_token()->set_delivery_id(FirstIdOf(3) + 1);
  absl::Status status;
  spool_->Settle(
      settlement, absl::InfiniteFuture(),
      [&](const absl::StatusOr<v1::SettleOutcome>& answer) { status = answer.status(); });
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  const auto reader = spool_->ReadContent(FirstIdOf(3) + 1, std::string(16, 'x'));
  reader->Next([&](const absl::StatusOr<std::string>& piece) { status = piece.status(); });
  EXPECT_TRUE(absl::IsInvalidArgument(status));
}

TEST_F(ShardedSpoolTest, LostShardIsOpenedAgainByItself) {
  const auto recorder = std::make_shared<LeaseRecorder>();
  v1::LeaseOpen open;
  open.mutable_due();
  auto stream = spool_->OpenLease(open, recorder);
  stream->AddCredit(30);
  shards_.store(1).BreakStreams(absl::UnavailableError("away"));
  for (int i = 0; i < 500 && shards_.store(1).lease_streams().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(shards_.store(1).lease_streams().size(), 1u);
  EXPECT_EQ(recorder->lost(), std::vector<uint32_t>{1});
}

TEST_F(ShardedSpoolTest, EndOfTheSpoolEndsItsStreams) {
  const auto recorder = std::make_shared<LeaseRecorder>();
  v1::LeaseOpen open;
  open.mutable_due();
  auto stream = spool_->OpenLease(open, recorder);
  spool_ = nullptr;
  ASSERT_EQ(recorder->closed().size(), 1u);
  EXPECT_TRUE(absl::IsCancelled(recorder->closed()[0]));
}

}  // namespace
}  // namespace turnpike::spool
