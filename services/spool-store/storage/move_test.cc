// Moves between two stores, without a network: what MoveOut describes is given to MoveIn.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/registry.h"
#include "services/spool-store/client/shard_id.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/metrics.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

// `store_` is the source, shard 1; `other_` the target, shard 2. What StoreTest has for one store
// is used for the target between two calls of Swap.
class MoveTest : public StoreTest {
 protected:
  void SetUp() override {
    shard_ = 1;
    Open();
    OpenOther();
  }
  void OpenOther() {
    other_ = nullptr;
    other_metrics_ = std::make_unique<Metrics>(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = other_directory_.path() + "/spool",
                                   .shard = 2,
                                   .free_bytes_min = 0,
                                   .tick = absl::ZeroDuration()},
                                  clock_, *other_metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    other_ = *std::move(store);
  }
  void Swap() {
    consumers_.clear();
    std::swap(store_, other_);
    std::swap(metrics_, other_metrics_);
  }

  MoveOut& out() { return store_->shard().out(); }

  void SetDraining(bool draining) {
    std::promise<absl::Status> result;
    store_->shard().SetDraining(draining,
                                [&](const auto& shard) { result.set_value(shard.status()); });
    ASSERT_TRUE(result.get_future().get().ok());
  }

  std::vector<Outgoing> Next() {
    auto next = out().Next([](const std::string&) { return std::optional<uint32_t>(2); });
    EXPECT_TRUE(next.ok()) << next.status();
    return *std::move(next);
  }

  std::vector<v1::MoveResult> Send(const std::vector<Outgoing>& moves) {
    const std::shared_ptr<MoveIn::Call> call = other_->shard().in().Open();
    std::vector<std::promise<v1::MoveResult>> promises(moves.size());
    for (size_t i = 0; i < moves.size(); ++i) {
      auto moved = out().Describe(moves[i]);
      EXPECT_TRUE(moved.ok()) << moved.status();
      EXPECT_TRUE(out()
                      .ReadPieces(moves[i],
                                  [&](int64_t offset, std::string piece) {
                                    v1::ContentChunk chunk;
                                    chunk.set_message_id(moved->message_id());
                                    chunk.set_offset(offset);
                                    chunk.set_data(std::move(piece));
                                    call->Append(std::move(chunk), [] {});
                                    return true;
                                  })
                      .ok());
      call->Move(store_->shard().identity().id, *std::move(moved),
                 [&promise = promises[i]](auto result) { promise.set_value(std::move(result)); });
    }
    std::vector<v1::MoveResult> results;
    for (auto& promise : promises) results.push_back(promise.get_future().get());
    return results;
  }
  void MustSend(const std::vector<Outgoing>& moves) {
    for (const v1::MoveResult& result : Send(moves)) {
      EXPECT_EQ(result.outcome(), v1::MOVE_OUTCOME_STORED) << result.detail();
    }
  }
  // Moves all that can be moved; how many those were.
  size_t MoveAll() {
    size_t count = 0;
    for (auto moves = Next(); !moves.empty(); moves = Next()) {
      MustSend(moves);
      EXPECT_TRUE(out().Finish(moves, {}).ok());
      count += moves.size();
    }
    return count;
  }
  uint64_t Forget(uint64_t below) {
    std::promise<absl::StatusOr<uint64_t>> result;
    other_->shard().in().Forget(store_->shard().identity().id, below,
                                [&](auto answer) { result.set_value(std::move(answer)); });
    return *result.get_future().get();
  }
  std::vector<v1::Delivery> ListAll() { return List(v1::ListDeliveriesRequest()); }

  TemporaryDirectory other_directory_;
  std::unique_ptr<Metrics> other_metrics_;
  std::unique_ptr<RocksStore> other_;
};

TEST_F(MoveTest, IdsSayTheShard) {
  MustEnqueue(Message("example.net", false));
  const auto deliveries = ListAll();
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(ShardOf(deliveries[0].delivery_id()), 1u);
  Reopen();
  MustEnqueue(Message("example.net", false));
  EXPECT_EQ(ShardOf(ListAll()[1].delivery_id()), 1u);
}

TEST_F(MoveTest, EveryStateIsMovedWithAllThatIsKnown) {
  MustEnqueue(Message("held.example", true));
  MustEnqueue(Message("ready.example", false));
  MustEnqueue(Message("deferred.example", false));
  MustEnqueue(Message("parked.example", false));
  {
    auto worker = std::make_shared<Worker>();
    LeaseDue(worker, 10);
    for (const auto& leased : worker->Wait(3)) {
      if (leased.queue().name() == "deferred.example") {
        v1::Settlement settlement = Delayed(leased, absl::Minutes(30));
        settlement.mutable_outcomes(0)->set_disposition(v1::DISPOSITION_DELIVERED);
        settlement.mutable_outcomes(1)->set_disposition(v1::DISPOSITION_UNKNOWN);
        settlement.mutable_outcomes(1)->mutable_reply()->set_code(451);
        ASSERT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
      } else if (leased.queue().name() == "parked.example") {
        v1::Settlement settlement = Outcomes(leased, v1::DISPOSITION_DELAYED);
        settlement.set_park(true);
        ASSERT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
      }
    }
    consumers_.clear();
  }
  std::vector<v1::Delivery> before;
  for (const auto& one : ListAll()) before.push_back(*Get(one.delivery_id()));
  ASSERT_EQ(before.size(), 4u);
  EXPECT_EQ(MoveAll(), 4u);
  EXPECT_TRUE(ListAll().empty());
  EXPECT_EQ(store_->shard().Describe().deliveries(), 0);

  Swap();
  std::vector<v1::Delivery> after;
  for (const auto& one : ListAll()) after.push_back(*Get(one.delivery_id()));
  ASSERT_EQ(after.size(), 4u);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(ShardOf(after[i].delivery_id()), 2u);
    after[i].set_delivery_id(before[i].delivery_id());
    EXPECT_EQ(after[i].DebugString(), before[i].DebugString());
    EXPECT_EQ(*Read(after[i].message_id()), "Subject: x\r\n\r\nbody\r\n");
  }
  EXPECT_EQ(after[0].state(), v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(after[1].state(), v1::DELIVERY_STATE_READY);
  EXPECT_EQ(after[2].state(), v1::DELIVERY_STATE_DEFERRED);
  EXPECT_EQ(after[3].state(), v1::DELIVERY_STATE_PARKED);
  EXPECT_EQ(store_->shard().Describe().deliveries(), 4);
}

TEST_F(MoveTest, ReleasedMailIsReadyThereByItsRoute) {
  MustEnqueue(Message("branch.example", true));
  Release("branch.example", "192.0.2.7");
  MustEnqueue(Message("branch.example", true));
  EXPECT_EQ(MoveAll(), 2u);
  Swap();
  EXPECT_EQ(Gateway("branch.example").ready(), 1);
  EXPECT_EQ(Gateway("branch.example").held(), 1);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  const auto leased = worker->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].route().address(), "192.0.2.7");
}

TEST_F(MoveTest, OrderWithinAQueueStays) {
  std::vector<std::string> ids;
  for (int i = 0; i < 700; ++i) {
    v1::NewMessage message = Message("branch.example", true);
    ids.push_back(message.message_id());
    MustEnqueue(message);
  }
  EXPECT_EQ(MoveAll(), 700u);
  Swap();
  auto worker = std::make_shared<Worker>();
  LeaseQueue(worker, "branch.example", 1000);
  const auto leased = worker->Wait(700);
  ASSERT_EQ(leased.size(), 700u);
  for (size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(leased[i].message_id(), ids[i]) << i;
}

TEST_F(MoveTest, LeasedMailFollowsWhenItsLeaseEnds) {
  MustEnqueue(Message("example.net", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(MoveAll(), 0u);
  ASSERT_EQ(Settle(Delayed(leased[0], absl::Minutes(1))), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(MoveAll(), 1u);
  Swap();
  EXPECT_EQ(Remote("example.net").deferred(), 1);
}

TEST_F(MoveTest, NobodyLeasesWhatIsOnItsWay) {
  MustEnqueue(Message("example.net", false));
  const auto moves = Next();
  ASSERT_EQ(moves.size(), 1u);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  Settled();
  EXPECT_EQ(worker->count(), 0u);
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(moves[0].delivery_id);
  request.set_delete_(true);
  EXPECT_TRUE(absl::IsFailedPrecondition(Update(request).status()));
  ASSERT_TRUE(out().Finish({}, moves).ok());  // refused there: free again
  EXPECT_EQ(worker->Wait(1).size(), 1u);
}

TEST_F(MoveTest, SourceAsksAgainAfterACrash) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("branch.example", true));
  const auto moves = Next();
  ASSERT_EQ(moves.size(), 3u);
  MustSend(moves);
  Reopen();  // the answers are lost
  auto open = out().Open();
  ASSERT_EQ(open.size(), 3u);
  EXPECT_TRUE(open[0].is_again);
  EXPECT_TRUE(Next().empty());
  MustSend(open);
  ASSERT_TRUE(out().Finish(open, {}).ok());
  EXPECT_TRUE(ListAll().empty());
  Swap();
  EXPECT_EQ(Gateway("branch.example").held(), 3);
}

TEST_F(MoveTest, MoveIsNotRepeatedWhenItsMailIsDelivered) {
  MustEnqueue(Message("example.net", false));
  const auto moves = Next();
  MustSend(moves);
  Swap();
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  ASSERT_EQ(worker->Wait(1).size(), 1u);
  ASSERT_EQ(Deliver(worker->Wait(1)[0]), v1::SETTLE_OUTCOME_SETTLED);
  Swap();
  Reopen();
  OpenOther();
  MustSend(out().Open());
  ASSERT_TRUE(out().Finish(out().Open(), {}).ok());
  Swap();
  EXPECT_TRUE(ListAll().empty());
}

TEST_F(MoveTest, MarksAreForgottenWhenTheSourceSaysSo) {
  MustEnqueue(Message("example.net", false));
  SetDraining(true);
  EXPECT_EQ(MoveAll(), 1u);
  EXPECT_EQ(other_->shard().in().open_count(), 1);
  ASSERT_EQ(out().Targets(), std::vector<uint32_t>{2});
  EXPECT_GT(store_->shard().Describe().deliveries(), 0);  // not confirmed yet
  Reopen();
  OpenOther();
  EXPECT_EQ(other_->shard().in().open_count(), 1);
  ASSERT_EQ(out().Targets(), std::vector<uint32_t>{2});
  const uint64_t below = out().ForgetBelow(2);
  EXPECT_EQ(Forget(below), below);
  EXPECT_EQ(other_->shard().in().open_count(), 0);
  ASSERT_TRUE(out().Forgotten(2, below).ok());
  EXPECT_TRUE(out().Targets().empty());
  EXPECT_EQ(store_->shard().Describe().deliveries(), 0);
}

TEST_F(MoveTest, NumbersAreNotUsedTwice) {
  MustEnqueue(Message("example.net", false));
  const uint64_t first = Next()[0].number;
  ASSERT_TRUE(out().Finish({}, out().Open()).ok());
  Reopen();
  EXPECT_GT(Next()[0].number, first);
}

TEST_F(MoveTest, LargeContentIsMovedInPieces) {
  const std::string content(600'000, 'x');
  v1::NewMessage message = Message("example.net", false);
  message.clear_inline_content();
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  auto upload = store_->OpenUpload();
  for (size_t offset = 0; offset < content.size(); offset += 200'000) {
    v1::ContentChunk chunk;
    chunk.set_message_id(message.message_id());
    chunk.set_offset(static_cast<int64_t>(offset));
    chunk.set_data(content.substr(offset, 200'000));
    upload->Append(std::move(chunk), [] {});
  }
  ASSERT_EQ(EnqueueOutcome(message, upload), v1::ENQUEUE_OUTCOME_STORED);
  upload = nullptr;
  EXPECT_EQ(MoveAll(), 1u);
  EXPECT_TRUE(absl::IsNotFound(Read(message.message_id()).status()));
  OpenOther();
  Swap();
  EXPECT_EQ(*Read(message.message_id()), content);
}

TEST_F(MoveTest, MessageForSeveralQueuesIsStoredOnceThereToo) {
  v1::NewMessage message = Message("a.example", true);
  AddDelivery(message, "b.example", false);
  AddDelivery(message, "c.example", false);
  MustEnqueue(message);
  EXPECT_EQ(MoveAll(), 3u);
  EXPECT_TRUE(absl::IsNotFound(Read(message.message_id()).status()));
  Swap();
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  LeaseQueue(worker, "a.example", 10);
  const auto leased = worker->Wait(3);
  ASSERT_EQ(leased.size(), 3u);
  for (const auto& one : leased) {
    EXPECT_TRUE(Read(message.message_id()).ok());
    ASSERT_EQ(Deliver(one), v1::SETTLE_OUTCOME_SETTLED);
  }
  EXPECT_TRUE(absl::IsNotFound(Read(message.message_id()).status()));
}

TEST_F(MoveTest, DrainingShardTakesNoNewMailButKnowsWhatItHas) {
  const v1::NewMessage known = Message("example.net", false);
  MustEnqueue(known);
  SetDraining(true);
  EXPECT_EQ(EnqueueOutcome(Message("example.net", false)), v1::ENQUEUE_OUTCOME_DRAINING);
  EXPECT_EQ(EnqueueOutcome(known), v1::ENQUEUE_OUTCOME_STORED);
  EXPECT_FALSE(store_->IsAccepting());
  Reopen();
  EXPECT_TRUE(store_->shard().is_draining());
  EXPECT_EQ(EnqueueOutcome(Message("example.net", false)), v1::ENQUEUE_OUTCOME_DRAINING);
  EXPECT_EQ(MoveAll(), 1u);
  EXPECT_EQ(EnqueueOutcome(known), v1::ENQUEUE_OUTCOME_STORED);  // still known when it has gone
  SetDraining(false);
  EXPECT_EQ(EnqueueOutcome(Message("example.net", false)), v1::ENQUEUE_OUTCOME_STORED);
}

TEST_F(MoveTest, DrainingShardHandsNothingOutUnlessItCannotMove) {
  MustEnqueue(Message("example.net", false));
  MustEnqueue(Message("branch.example", true));
  SetDraining(true);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 10);
  auto dequeuer = std::make_shared<Worker>();
  LeaseQueue(dequeuer, "branch.example", 10);
  EXPECT_TRUE(dequeuer->WaitDrained(1));
  Settled();
  EXPECT_EQ(worker->count() + dequeuer->count(), 0u);
  store_->shard().HoldBack(false);
  store_->TickForTest();
  EXPECT_EQ(worker->Wait(1).size(), 1u);
}

TEST_F(MoveTest, DrainingOrFullTargetRefuses) {
  MustEnqueue(Message("example.net", false));
  Swap();
  SetDraining(true);
  Swap();
  auto moves = Next();
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(Send(moves)[0].outcome(), v1::MOVE_OUTCOME_REFUSED);
  ASSERT_TRUE(out().Finish({}, moves).ok());
  other_->SetLimits({.free_bytes_min = uint64_t{1} << 60});
  Swap();
  SetDraining(false);
  store_->TickForTest();
  Swap();
  moves = Next();
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(Send(moves)[0].outcome(), v1::MOVE_OUTCOME_REFUSED);
}

TEST_F(MoveTest, DamagedDeliveryIsLeftOutAndNamed) {
  MustEnqueue(Message("a.example", false));
  MustEnqueue(Message("b.example", false));
  auto moves = Next();
  ASSERT_EQ(moves.size(), 2u);
  out().LeaveOut(moves[0].delivery_id, "content does not match its checksum");
  ASSERT_TRUE(out().Finish({}, moves).ok());
  EXPECT_EQ(MoveAll(), 1u);
  EXPECT_TRUE(Next().empty());
  EXPECT_NE(out().LeftOut().find("content does not match its checksum"), std::string::npos);
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(moves[0].delivery_id);
  request.set_delete_(true);
  ASSERT_TRUE(Update(request).ok());
  EXPECT_TRUE(Next().empty());
  EXPECT_EQ(out().LeftOut(), "");
}

// What the target refuses is looked at again, and may be leased by then, before what was passed
// over when it was first met.
TEST_F(MoveTest, RefusedMailThatIsLeasedMeanwhileIsFoundByALaterWalk) {
  MustEnqueue(Message("a.example", false));
  for (size_t i = 0; i < MoveOut::kBatchMax + 50; ++i) MustEnqueue(Message("b.example", false));
  auto second = std::make_shared<Worker>();
  Store::Consumer& consumer = LeaseDue(second, 2);
  const auto leased = second->Wait(2);
  ASSERT_EQ(leased.size(), 2u);
  ASSERT_EQ(leased[0].queue().name(), "a.example");
  v1::LeaseRequest request;
  *request.add_hand_back() = leased[0].token();
  consumer.Handle(request);
  const auto moves = Next();  // all but b's first, which is passed over
  ASSERT_EQ(moves.size(), MoveOut::kBatchMax);
  ASSERT_EQ(moves[0].delivery_id, leased[0].token().delivery_id());
  ASSERT_TRUE(out().Finish({}, moves).ok());

  auto first = std::make_shared<Worker>();
  v1::LeaseOpen open;
  *open.mutable_due()->add_paused() = Queue("b.example", v1::QUEUE_KIND_REMOTE);
  Lease(open, first, 1);
  ASSERT_EQ(first->Wait(1).size(), 1u);
  ASSERT_EQ(first->Wait(1)[0].queue().name(), "a.example");
  EXPECT_EQ(MoveAll(), MoveOut::kBatchMax + 49);
  ASSERT_EQ(Settle(Delayed(first->Wait(1)[0], absl::Minutes(1))), v1::SETTLE_OUTCOME_SETTLED);
  ASSERT_EQ(Settle(Delayed(leased[1], absl::Minutes(1))), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(MoveAll(), 2u);
  EXPECT_TRUE(ListAll().empty());
}

// A folder that is brought back from a snapshot does not know what was moved after that. What it
// moves then is not taken for what was moved under the same number.
TEST_F(MoveTest, OlderCopyOfTheFolderUsesNoNumberTwice) {
  MustEnqueue(Message("example.net", false));
  const std::string folder = directory_.path() + "/spool";
  const std::string copy = directory_.path() + "/copy";
  store_ = nullptr;
  std::filesystem::copy(folder, copy, std::filesystem::copy_options::recursive);
  Open();
  EXPECT_EQ(MoveAll(), 1u);
  MustEnqueue(Message("example.net", false));
  EXPECT_EQ(MoveAll(), 1u);  // unconfirmed: its mark is kept
  store_ = nullptr;
  std::filesystem::remove_all(folder);
  std::filesystem::rename(copy, folder);
  clock_.Advance(absl::Minutes(1));
  Open();
  MustEnqueue(Message("branch.example", true));
  EXPECT_EQ(MoveAll(), 2u);
  EXPECT_TRUE(ListAll().empty());
  Swap();
  EXPECT_EQ(Gateway("branch.example").held(), 1);
}

// A call that was given up may still be read after its successor's end.
TEST_F(MoveTest, MoveThatComesAfterItWasForgottenIsRefused) {
  MustEnqueue(Message("example.net", false));
  const auto moves = Next();
  MustSend(moves);
  Forget(moves[0].number + 1);
  EXPECT_EQ(Send(moves)[0].outcome(), v1::MOVE_OUTCOME_REFUSED);
  Swap();
  EXPECT_EQ(ListAll().size(), 1u);
}

TEST_F(MoveTest, MoveThatADamagedRecordAtTheTargetKeepsOutIsLeftOut) {
  v1::NewMessage message = Message("a.example", false);
  AddDelivery(message, "b.example", false);
  MustEnqueue(message);
  const auto first = *out().Next([](const std::string& queue_key) {
    return queue_key.front() == 'b' ? std::nullopt : std::optional<uint32_t>(2);
  });
  ASSERT_EQ(first.size(), 1u);
  MustSend(first);
  ASSERT_TRUE(out().Finish(first, {}).ok());
  other_ = nullptr;
  {
    auto database = Database::Open({.directory = other_directory_.path() + "/spool"});
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)
                    ->db()
                    .Delete(rocksdb::WriteOptions(), (*database)->message(), message.message_id())
                    .ok());
  }
  OpenOther();
  out().Rewind();
  const auto second = Next();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(Send(second)[0].outcome(), v1::MOVE_OUTCOME_INVALID);
}

TEST_F(MoveTest, QueueThatWaitsIsPassedOver) {
  MustEnqueue(Message("a.example", false));
  MustEnqueue(Message("b.example", false));
  const auto moves = *out().Next([](const std::string& queue_key) {
    return queue_key.front() == 'a' ? std::nullopt : std::optional<uint32_t>(2);
  });
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].record->queue().name(), "b.example");
  ASSERT_TRUE(out().Finish(moves, {}).ok());
  out().Rewind();
  EXPECT_EQ(Next().size(), 1u);
}

TEST_F(MoveTest, ReleaseAfterTheNoteIsKnown) {
  MustEnqueue(Message("branch.example", true));
  const auto moves = Next();
  EXPECT_FALSE(out().ReleasedSince(moves[0]).has_value());
  clock_.Advance(absl::Seconds(1));
  Release("branch.example", "192.0.2.7");
  const auto release = out().ReleasedSince(moves[0]);
  ASSERT_TRUE(release.has_value());
  EXPECT_EQ(release->queue().name(), "branch.example");
  EXPECT_EQ(release->route().address(), "192.0.2.7");
}

TEST_F(MoveTest, FiguresAreOfAllQueues) {
  MustEnqueue(Message("branch.example", true, "12345"));
  MustEnqueue(Message("a.example", false, "12345"));
  MustEnqueue(Message("b.example", false, "12345"));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  ASSERT_EQ(worker->Wait(1).size(), 1u);
  Advance(absl::Minutes(4));
  const v1::Shard shard = store_->shard().Describe();
  EXPECT_EQ(shard.number(), 1u);
  EXPECT_EQ(shard.deliveries(), 3);
  EXPECT_EQ(shard.content_bytes(), 15);
  EXPECT_EQ(shard.due(), 1);
  EXPECT_EQ(shard.leased(), 1);
  EXPECT_EQ(shard.oldest_due_time().seconds(), 1'800'000'000);
  Reopen();
  EXPECT_EQ(store_->shard().Describe().deliveries(), 3);
  EXPECT_EQ(store_->shard().Describe().due(), 2);
}

}  // namespace
}  // namespace turnpike::spool
