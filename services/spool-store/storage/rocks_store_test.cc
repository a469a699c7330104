#include "services/spool-store/storage/rocks_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/env.h"
#include "services/spool-store/core/validate.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/testing_file_system.h"
#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

class RocksStoreTest : public StoreTest {};

TEST_F(RocksStoreTest, StoredMessageIsLeasedWithEverythingAndGoneWhenDelivered) {
  const v1::NewMessage message = Message("example.org", false);
  MustEnqueue(message);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].message_id(), message.message_id());
  EXPECT_EQ(leased[0].inline_content(), message.inline_content());
  EXPECT_EQ(leased[0].envelope().return_path(), "sender@example.com");
  EXPECT_EQ(leased[0].recipients_size(), 2);
  EXPECT_EQ(leased[0].queue().name(), "example.org");
  EXPECT_FALSE(leased[0].held());
  EXPECT_EQ(Remote("example.org").leased(), 1);
  EXPECT_EQ(Deliver(leased[0]), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Remote("example.org").leased(), 0);
  EXPECT_EQ(Get(leased[0].token().delivery_id()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Read(message.message_id()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Deliver(leased[0]), v1::SETTLE_OUTCOME_GONE);
}

TEST_F(RocksStoreTest, EverythingIsThereAfterARestart) {
  MustEnqueue(Message("example.org", false));
  MustEnqueue(Message("gateway.example", true));
  Release("other.example", "192.0.2.9");
  Reopen();
  EXPECT_EQ(Remote("example.org").ready(), 1);
  EXPECT_EQ(Gateway("gateway.example").held(), 1);
  EXPECT_EQ(Gateway("other.example").route().address(), "192.0.2.9");
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  EXPECT_EQ(worker->Wait(1).size(), 1u);
}

TEST_F(RocksStoreTest, RepeatedEnqueueMakesNoSecondMessage) {
  const v1::NewMessage message = Message("example.org", false);
  MustEnqueue(message);
  MustEnqueue(message);
  Reopen();
  MustEnqueue(message);
  EXPECT_EQ(Remote("example.org").ready(), 1);
}

TEST_F(RocksStoreTest, RepeatedEnqueueAfterDeliveryMakesNoSecondMessage) {
  const v1::NewMessage message = Message("example.org", false);
  MustEnqueue(message);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  ASSERT_EQ(Deliver(worker->Wait(1).at(0)), v1::SETTLE_OUTCOME_SETTLED);
  MustEnqueue(message);
  Reopen();
  MustEnqueue(message);
  EXPECT_EQ(Remote("example.org").ready(), 0);
}

TEST_F(RocksStoreTest, InFlightRepetitionsAreStoredOnce) {
  const v1::NewMessage message = Message("example.org", false);
  std::vector<std::promise<v1::EnqueueOutcome>> results(20);
  for (auto& result : results) {
    store_->Enqueue(message, nullptr, [&](v1::EnqueueResult r) { result.set_value(r.outcome()); });
  }
  for (auto& result : results) EXPECT_EQ(result.get_future().get(), v1::ENQUEUE_OUTCOME_STORED);
  EXPECT_EQ(Remote("example.org").ready(), 1);
}

TEST_F(RocksStoreTest, ContentGoesWithTheLastDelivery) {
  v1::NewMessage message = Message("one.example", false);
  AddDelivery(message, "two.example", false);
  MustEnqueue(message);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  const auto leased = worker->Wait(2);
  ASSERT_EQ(leased.size(), 2u);
  EXPECT_EQ(Deliver(leased[0]), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Read(message.message_id()).value_or(""), message.inline_content());
  EXPECT_EQ(Deliver(leased[1]), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Read(message.message_id()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RocksStoreTest, DeferredDeliveryComesBackWithWhoIsLeftWhenItIsDue) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  v1::Settlement settlement = Delayed(worker->Wait(1).at(0), absl::Minutes(10));
  settlement.mutable_outcomes(0)->set_disposition(v1::DISPOSITION_DELIVERED);
  settlement.mutable_outcomes(1)->mutable_reply()->set_code(451);
  ASSERT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Remote("example.org").deferred(), 1);
  EXPECT_EQ(Remote("example.org").next_attempt_time().seconds(),
            absl::ToUnixSeconds(clock_.Now()) + 600);
  const auto delivery = Get(settlement.token().delivery_id());
  ASSERT_TRUE(delivery.ok());
  EXPECT_EQ(delivery->state(), v1::DELIVERY_STATE_DEFERRED);
  EXPECT_EQ(delivery->last_outcomes(0).reply().code(), 451);

  Reopen();
  LeaseDue(worker, 5);
  Advance(absl::Minutes(10));
  const auto leased = worker->Wait(2);
  ASSERT_EQ(leased.size(), 2u);
  EXPECT_EQ(leased[1].attempts(), 1);
  ASSERT_EQ(leased[1].recipients_size(), 1);
  EXPECT_EQ(leased[1].recipients(0).address(), "b@example.org");
  EXPECT_EQ(leased[1].recipient_indexes(0), 1);
  EXPECT_TRUE(leased[1].has_first_attempt_time());
}

TEST_F(RocksStoreTest, HeldMailWaitsForItsReleaseAndLeavesByItsRoute) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("gateway.example", true));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  EXPECT_EQ(Gateway("gateway.example").held(), 3);
  EXPECT_EQ(Release("gateway.example", "192.0.2.1").released(), 3);
  const auto leased = worker->Wait(3);
  ASSERT_EQ(leased.size(), 3u);
  EXPECT_EQ(leased[0].route().address(), "192.0.2.1");
  MustEnqueue(Message("gateway.example", true));  // after the release
  EXPECT_EQ(Gateway("gateway.example").held(), 1);
  const auto again = Release("gateway.example");
  EXPECT_EQ(again.released(), 1);
  EXPECT_EQ(again.pending(), 3);
  EXPECT_EQ(worker->Wait(4).size(), 4u);
}

TEST_F(RocksStoreTest, ReleaseOutlivesARestart) {
  MustEnqueue(Message("gateway.example", true));
  Release("gateway.example");
  MustEnqueue(Message("gateway.example", true));
  Reopen();
  EXPECT_EQ(Gateway("gateway.example").ready(), 1);
  EXPECT_EQ(Gateway("gateway.example").held(), 1);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  EXPECT_EQ(worker->Wait(1).size(), 1u);
}

TEST_F(RocksStoreTest, SecondReleaseMakesDeferredMailDueAtOnce) {
  MustEnqueue(Message("gateway.example", true));
  Release("gateway.example");
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  ASSERT_EQ(Settle(Delayed(worker->Wait(1).at(0), absl::Hours(4))), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Gateway("gateway.example").deferred(), 1);
  EXPECT_EQ(Release("gateway.example").pending(), 1);
  EXPECT_EQ(worker->Wait(2).size(), 2u);
}

TEST_F(RocksStoreTest, PausedQueueIsLeftOutUntilItIsResumed) {
  MustEnqueue(Message("slow.example", false));
  MustEnqueue(Message("quick.example", false));
  v1::LeaseOpen open;
  *open.mutable_due()->add_paused() = Queue("slow.example", v1::QUEUE_KIND_REMOTE);
  auto worker = std::make_shared<Worker>();
  Store::Consumer& consumer = Lease(open, worker, 10);
  ASSERT_EQ(worker->Wait(1).size(), 1u);
  EXPECT_EQ(worker->Wait(1)[0].queue().name(), "quick.example");

  v1::LeaseRequest turn;
  *turn.add_pause() = Queue("quick.example", v1::QUEUE_KIND_REMOTE);
  *turn.add_resume() = Queue("slow.example", v1::QUEUE_KIND_REMOTE);
  consumer.Handle(turn);
  ASSERT_EQ(worker->Wait(2).size(), 2u);
  EXPECT_EQ(worker->Wait(2)[1].queue().name(), "slow.example");
  MustEnqueue(Message("quick.example", false));
  auto other = std::make_shared<Worker>();  // a pause is of one worker
  LeaseDue(other, 1);
  ASSERT_EQ(other->Wait(1).size(), 1u);
  EXPECT_EQ(worker->count(), 2u);
}

TEST_F(RocksStoreTest, NoMoreQueuesArePausedThanTheLimit) {
  v1::LeaseOpen open;
  for (size_t i = 0; i <= kPausedQueuesMax; ++i) {
    *open.mutable_due()->add_paused() =
        Queue("q" + std::to_string(i) + ".example", v1::QUEUE_KIND_REMOTE);
  }
  auto worker = std::make_shared<Worker>();
  EXPECT_EQ(store_->OpenConsumer(open, worker).status().code(), absl::StatusCode::kInvalidArgument);
  open.mutable_due()->mutable_paused()->RemoveLast();
  EXPECT_TRUE(store_->OpenConsumer(open, worker).ok());
}

TEST_F(RocksStoreTest, WorkerLearnsWhoGaveTheMessage) {
  v1::NewMessage message = Message("example.org", false);
  message.mutable_client()->set_address("192.0.2.7");
  MustEnqueue(message);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  ASSERT_EQ(worker->Wait(1).size(), 1u);
  EXPECT_EQ(worker->Wait(1)[0].client().address(), "192.0.2.7");
}

TEST_F(RocksStoreTest, TwoWorkersNeverShareADelivery) {
  for (int i = 0; i < 100; ++i) MustEnqueue(Message("gateway.example", true));
  auto first = std::make_shared<Worker>();
  auto second = std::make_shared<Worker>();
  LeaseQueue(first, "gateway.example", 200);
  LeaseQueue(second, "gateway.example", 200);
  ASSERT_TRUE(first->WaitDrained(1));
  ASSERT_TRUE(second->WaitDrained(1));
  EXPECT_EQ(first->count() + second->count(), 100u);
  EXPECT_EQ(Gateway("gateway.example").leased(), 100);
}

TEST_F(RocksStoreTest, EndOfAWorkerFreesItsLeasesAndItsLateSettlementCounts) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1);
  consumers_.clear();
  EXPECT_EQ(Remote("example.org").ready(), 1);
  EXPECT_EQ(Deliver(leased.at(0)), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Remote("example.org").ready(), 0);
}

TEST_F(RocksStoreTest, SettlementIsTakenAfterARestartUnlessSomebodyElseHasTheLease) {
  MustEnqueue(Message("one.example", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1).at(0);
  Reopen();
  EXPECT_EQ(Deliver(leased), v1::SETTLE_OUTCOME_SETTLED);

  MustEnqueue(Message("two.example", false));
  auto second = std::make_shared<Worker>();
  LeaseDue(second, 1);
  const auto old = second->Wait(1).at(0);
  Reopen();
  auto third = std::make_shared<Worker>();
  LeaseDue(third, 1);
  const auto current = third->Wait(1).at(0);
  EXPECT_GT(current.token().fence(), old.token().fence());
  EXPECT_EQ(Deliver(old), v1::SETTLE_OUTCOME_LOST);
  EXPECT_EQ(Deliver(current), v1::SETTLE_OUTCOME_SETTLED);
}

TEST_F(RocksStoreTest, WorkersSettleWhatTheyHadBeforeARestartBeforeItIsHandedOutAgain) {
  settle_time_ = absl::Seconds(3);
  Reopen();
  auto before = std::make_shared<Worker>();
  LeaseDue(before, 2);  // at once: there was nothing that anybody could have had
  MustEnqueue(Message("one.example", false));
  MustEnqueue(Message("two.example", false));
  const auto leased = before->Wait(2);
  Reopen();
  auto after = std::make_shared<Worker>();
  LeaseDue(after, 2);
  Advance(absl::Milliseconds(2999));
  EXPECT_EQ(Deliver(leased.at(0)), v1::SETTLE_OUTCOME_SETTLED);
  store_->WaitIdle();
  EXPECT_EQ(after->count(), 0u);
  Advance(absl::Milliseconds(1));
  const auto again = after->Wait(1);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again.at(0).token().delivery_id(), leased.at(1).token().delivery_id());
}

TEST_F(RocksStoreTest, RepeatedSettlementIsAppliedOnce) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const v1::Settlement settlement = Delayed(worker->Wait(1).at(0), absl::Hours(1));
  EXPECT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_GONE);
  EXPECT_EQ(Get(settlement.token().delivery_id())->attempts(), 1);
}

TEST_F(RocksStoreTest, ForgedTokenIsRefused) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  v1::LeasedDelivery leased = worker->Wait(1).at(0);
  leased.mutable_token()->set_fence(leased.token().fence() + 1);
  EXPECT_EQ(Deliver(leased), v1::SETTLE_OUTCOME_INVALID);
}

TEST_F(RocksStoreTest, LeaseThatRunsOutIsRevokedAndHandedOutAgain) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  Store::Consumer& consumer = LeaseDue(worker, 1);
  const auto first = worker->Wait(1).at(0);
  Advance(absl::Minutes(4));
  v1::LeaseRequest renew;
  *renew.add_renew() = first.token();
  consumer.Handle(renew);
  Advance(absl::Minutes(4));
  EXPECT_TRUE(worker->revoked().empty());
  Advance(absl::Minutes(2));
  ASSERT_EQ(worker->revoked().size(), 1u);
  AddCredit(consumer, 1);
  EXPECT_EQ(worker->Wait(2).size(), 2u);
}

TEST_F(RocksStoreTest, HandedBackDeliveryIsAsIfNeverLeased) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  Store::Consumer& consumer = LeaseDue(worker, 1);
  v1::LeaseRequest request;
  *request.add_hand_back() = worker->Wait(1).at(0).token();
  consumer.Handle(request);
  EXPECT_EQ(Remote("example.org").ready(), 1);
  AddCredit(consumer, 1);
  EXPECT_EQ(worker->Wait(2).at(1).attempts(), 0);
}

TEST_F(RocksStoreTest, FollowUpsAreStoredWithTheSettlement) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  v1::Settlement settlement = Outcomes(worker->Wait(1).at(0), v1::DISPOSITION_RETURNED);
  *settlement.add_follow_ups() = Message("example.com", false, "a DSN");
  EXPECT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
  Reopen();
  EXPECT_EQ(Remote("example.org").ready(), 0);
  EXPECT_EQ(Remote("example.com").ready(), 1);
}

TEST_F(RocksStoreTest, LargeContentComesBackAsItWas) {
  std::string content;
  while (content.size() < 3'000'000) content += "line " + std::to_string(content.size()) + "\r\n";
  v1::NewMessage message = Message("example.org", false, "");
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  auto upload = store_->OpenUpload();
  for (size_t at = 0; at < content.size(); at += 200'000) {
    v1::ContentChunk chunk;
    chunk.set_message_id(message.message_id());
    chunk.set_offset(static_cast<int64_t>(at));
    chunk.set_data(content.substr(at, 200'000));
    upload->Append(chunk, [] {});
  }
  ASSERT_EQ(EnqueueOutcome(message, upload), v1::ENQUEUE_OUTCOME_STORED);
  upload = nullptr;
  Reopen();
  EXPECT_EQ(Read(message.message_id()).value_or(""), content);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1).at(0);
  EXPECT_EQ(leased.content_bytes(), static_cast<int64_t>(content.size()));
  EXPECT_TRUE(leased.inline_content().empty());
  EXPECT_EQ(Deliver(leased), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Read(message.message_id()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RocksStoreTest, IncompleteContentIsRefusedAndLeavesNothing) {
  v1::NewMessage message = Message("example.org", false, "");
  message.set_content_bytes(10);
  auto upload = store_->OpenUpload();
  v1::ContentChunk chunk;
  chunk.set_message_id(message.message_id());
  chunk.set_data("five.");
  upload->Append(chunk, [] {});
  EXPECT_EQ(EnqueueOutcome(message, upload), v1::ENQUEUE_OUTCOME_INVALID);
  upload->Append(chunk, [] {});  // a second one, that is never committed
  Settled();
  upload = nullptr;
}

TEST_F(RocksStoreTest, FaultyMessagesAreRefused) {
  v1::NewMessage message = Message("example.org", false);
  message.set_content_hash(1);
  EXPECT_EQ(EnqueueOutcome(message), v1::ENQUEUE_OUTCOME_INVALID);
  message = Message("example.org", false);
  message.clear_deliveries();
  EXPECT_EQ(EnqueueOutcome(message), v1::ENQUEUE_OUTCOME_INVALID);
}

TEST_F(RocksStoreTest, FullDiskRefusesNewMailButNotDeliveries) {
  MustEnqueue(Message("example.org", false));
  free_bytes_min_ = std::numeric_limits<uint64_t>::max();
  Reopen();
  EXPECT_EQ(EnqueueOutcome(Message("example.org", false)), v1::ENQUEUE_OUTCOME_FULL);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  EXPECT_EQ(Deliver(worker->Wait(1).at(0)), v1::SETTLE_OUTCOME_SETTLED);
}

// No outcome could be recorded: what was delivered would be delivered again with the next lease.
TEST_F(RocksStoreTest, NothingIsHandedOutWhileTheDiskCannotBeWritten) {
  const auto files = std::make_shared<FullFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
  env_ = env.get();
  Reopen();
  MustEnqueue(Message("example.org", false));
  MustEnqueue(Message("gateway.example", true));
  files->SetFull(true);
  EXPECT_EQ(EnqueueOutcome(Message("example.org", false)), v1::ENQUEUE_OUTCOME_FAILED);
  EXPECT_FALSE(store_->IsHealthy());
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  auto dequeuer = std::make_shared<Worker>();
  LeaseQueue(dequeuer, "gateway.example", 5);
  store_->TickForTest();
  store_->WaitIdle();
  EXPECT_EQ(worker->count() + dequeuer->count(), 0u);
  files->SetFull(false);
  const absl::Time end = absl::Now() + kPatience;
  while (!store_->IsHealthy() && absl::Now() < end) {  // RocksDB takes its time
    store_->TickForTest();
    store_->WaitIdle();
  }
  store_->TickForTest();
  EXPECT_EQ(worker->Wait(1).size(), 1u);
  consumers_.clear();
  store_ = nullptr;
}

TEST_F(RocksStoreTest, DamagedContentIsSetAsideAndTheRestGoesOn) {
  const v1::NewMessage damaged = Message("example.org", false);
  MustEnqueue(damaged);
  MustEnqueue(Message("example.org", false));
  store_ = nullptr;
  {
    auto database = Database::Open({.directory = directory_.path() + "/spool"});
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)
                    ->db()
                    .Put(rocksdb::WriteOptions(), (*database)->content(), damaged.message_id(),
                         "not what was stored")
                    .ok());
  }
  Open();
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5);
  const auto leased = worker->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_NE(leased[0].message_id(), damaged.message_id());
  EXPECT_EQ(Read(damaged.message_id()).status().code(), absl::StatusCode::kDataLoss);
  Settled();
  v1::ListDeliveriesRequest parked;
  parked.set_state(v1::DELIVERY_STATE_PARKED);
  ASSERT_EQ(List(parked).size(), 1u);
  EXPECT_EQ(metrics_->integrity_errors->Value(), 1);
}

TEST_F(RocksStoreTest, MoreThanAWindowIsHandedOutCompletely) {
  std::vector<std::promise<void>> stored(3000);
  for (auto& one : stored) {
    store_->Enqueue(Message("example.org", false), nullptr,
                    [&](v1::EnqueueResult) { one.set_value(); });
  }
  for (auto& one : stored) one.get_future().get();
  Reopen();
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 5000, 5000);
  EXPECT_EQ(worker->Wait(3000).size(), 3000u);
  EXPECT_EQ(Remote("example.org").leased(), 3000);
}

TEST_F(RocksStoreTest, FilesAreNobodyElses) {
  MustEnqueue(Message("example.org", false));
  struct stat facts;
  ASSERT_EQ(stat((directory_.path() + "/spool").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  for (const auto& file : std::filesystem::directory_iterator(directory_.path() + "/spool")) {
    ASSERT_EQ(stat(file.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0077, 0u) << file.path();
  }
}

TEST_F(RocksStoreTest, DrainingStoreLeasesNothing) {
  store_->Drain();
  v1::LeaseOpen open;
  open.mutable_due();
  EXPECT_EQ(store_->OpenConsumer(open, std::make_shared<Worker>()).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace turnpike::spool
