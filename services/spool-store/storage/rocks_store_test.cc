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

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/spool-store/storage/database.h"
#include "services/spool-store/storage/testing.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// Collects what a worker is given.
class Worker : public Store::LeaseSink {
 public:
  void OnLeased(v1::LeaseResponse response) override {
    absl::MutexLock lock(&mu_);
    for (auto& delivery : *response.mutable_deliveries()) leased_.push_back(std::move(delivery));
    for (const auto& token : response.revoked()) revoked_.push_back(token);
    if (response.drained()) ++drained_;
  }
  bool HasRoom() override { return true; }

  // The first `count` deliveries ever leased; fewer when they do not come.
  std::vector<v1::LeasedDelivery> Wait(size_t count) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return leased_.size() >= count; };
    mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
    return leased_;
  }
  bool WaitDrained(int times) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return drained_ >= times; };
    return mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  std::vector<v1::LeaseToken> revoked() {
    absl::MutexLock lock(&mu_);
    return revoked_;
  }
  size_t count() {
    absl::MutexLock lock(&mu_);
    return leased_.size();
  }

 private:
  absl::Mutex mu_;
  std::vector<v1::LeasedDelivery> leased_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::LeaseToken> revoked_ ABSL_GUARDED_BY(mu_);
  int drained_ ABSL_GUARDED_BY(mu_) = 0;
};

v1::QueueName Queue(const std::string& name, v1::QueueKind kind) {
  v1::QueueName queue;
  queue.set_name(name);
  queue.set_kind(kind);
  return queue;
}

class RocksStoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    metrics_ = std::make_unique<Metrics>(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool",
                                   .free_bytes_min = free_bytes_min_,
                                   .tick = absl::ZeroDuration()},
                                  clock_, *metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Reopen() {
    consumers_.clear();
    store_ = nullptr;
    Open();
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    store_->TickForTest();
  }

  v1::NewMessage Message(const std::string& queue, bool hold,
                         const std::string& content = "Subject: x\r\n\r\nbody\r\n") {
    v1::NewMessage message;
    message.set_message_id(std::string(base::MessageId::Generate(clock_.Now()).bytes()));
    message.mutable_envelope()->set_return_path("sender@example.com");
    message.set_inline_content(content);
    message.set_content_bytes(static_cast<int64_t>(content.size()));
    AddDelivery(message, queue, hold);
    return message;
  }
  static void AddDelivery(v1::NewMessage& message, const std::string& queue, bool hold) {
    v1::NewDelivery& delivery = *message.add_deliveries();
    *delivery.mutable_queue() = Queue(queue, hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
    delivery.set_hold(hold);
    delivery.add_recipients()->set_address("a@" + queue);
    delivery.add_recipients()->set_address("b@" + queue);
  }

  v1::EnqueueResult Enqueue(v1::NewMessage message,
                            const std::shared_ptr<Store::Upload>& upload = nullptr) {
    std::promise<v1::EnqueueResult> result;
    store_->Enqueue(std::move(message), upload,
                    [&](v1::EnqueueResult r) { result.set_value(std::move(r)); });
    return result.get_future().get();
  }
  v1::EnqueueOutcome EnqueueOutcome(v1::NewMessage message,
                                    const std::shared_ptr<Store::Upload>& upload = nullptr) {
    return Enqueue(std::move(message), upload).outcome();
  }
  void MustEnqueue(const v1::NewMessage& message) {
    ASSERT_EQ(EnqueueOutcome(message), v1::ENQUEUE_OUTCOME_STORED);
  }

  Store::Consumer& LeaseDue(const std::shared_ptr<Worker>& worker, int32_t credit,
                            int32_t per_queue = 0) {
    v1::LeaseOpen open;
    open.set_worker("test");
    open.mutable_due()->set_deliveries_per_queue_max(per_queue);
    return Lease(open, worker, credit);
  }
  Store::Consumer& LeaseQueue(const std::shared_ptr<Worker>& worker, const std::string& gateway,
                              int32_t credit, int64_t deliveries_max = 0) {
    v1::LeaseOpen open;
    *open.mutable_queue()->mutable_queue() = Queue(gateway, v1::QUEUE_KIND_GATEWAY);
    open.mutable_queue()->add_recipient_domains(gateway);
    open.mutable_queue()->set_deliveries_max(deliveries_max);
    return Lease(open, worker, credit);
  }
  Store::Consumer& Lease(const v1::LeaseOpen& open, const std::shared_ptr<Worker>& worker,
                         int32_t credit) {
    auto consumer = store_->OpenConsumer(open, worker);
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    consumers_.push_back(*std::move(consumer));
    AddCredit(*consumers_.back(), credit);
    return *consumers_.back();
  }
  static void AddCredit(Store::Consumer& consumer, int32_t credit) {
    v1::LeaseRequest request;
    request.set_credit(credit);
    consumer.Handle(request);
  }

  static v1::Settlement Outcomes(const v1::LeasedDelivery& leased, v1::Disposition disposition) {
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    for (int32_t index : leased.recipient_indexes()) {
      v1::RecipientOutcome& outcome = *settlement.add_outcomes();
      outcome.set_index(index);
      outcome.set_disposition(disposition);
    }
    return settlement;
  }
  v1::Settlement Delayed(const v1::LeasedDelivery& leased, absl::Duration delay) {
    v1::Settlement settlement = Outcomes(leased, v1::DISPOSITION_DELAYED);
    settlement.mutable_defer_until()->set_seconds(absl::ToUnixSeconds(clock_.Now() + delay));
    return settlement;
  }
  v1::SettleOutcome Settle(v1::Settlement settlement) {
    std::promise<v1::SettleOutcome> outcome;
    store_->Settle(std::move(settlement),
                   [&](v1::SettleResult result) { outcome.set_value(result.outcome()); });
    return outcome.get_future().get();
  }
  v1::SettleOutcome Deliver(const v1::LeasedDelivery& leased) {
    return Settle(Outcomes(leased, v1::DISPOSITION_DELIVERED));
  }

  v1::ReleaseQueueResponse Release(const std::string& gateway, const std::string& address = "") {
    v1::ReleaseQueueRequest request;
    *request.mutable_queue() = Queue(gateway, v1::QUEUE_KIND_GATEWAY);
    if (!address.empty()) request.mutable_route()->set_address(address);
    std::promise<absl::StatusOr<v1::ReleaseQueueResponse>> result;
    store_->ReleaseQueue(request, [&](auto response) { result.set_value(std::move(response)); });
    return *result.get_future().get();
  }
  v1::QueueStats Stats(const std::string& name, v1::QueueKind kind) {
    v1::GetQueueRequest request;
    *request.mutable_queue() = Queue(name, kind);
    return store_->GetQueue(request)->stats();
  }
  v1::QueueStats Gateway(const std::string& name) { return Stats(name, v1::QUEUE_KIND_GATEWAY); }
  v1::QueueStats Remote(const std::string& name) { return Stats(name, v1::QUEUE_KIND_REMOTE); }

  absl::StatusOr<v1::Delivery> Get(uint64_t id) {
    v1::GetDeliveryRequest request;
    request.set_delivery_id(id);
    std::promise<absl::StatusOr<v1::GetDeliveryResponse>> result;
    store_->GetDelivery(request, [&](auto response) { result.set_value(std::move(response)); });
    auto response = result.get_future().get();
    if (!response.ok()) return response.status();
    return response->delivery();
  }
  absl::StatusOr<v1::UpdateDeliveryResponse> Update(const v1::UpdateDeliveryRequest& request) {
    std::promise<absl::StatusOr<v1::UpdateDeliveryResponse>> result;
    store_->UpdateDelivery(request, [&](auto response) { result.set_value(std::move(response)); });
    return result.get_future().get();
  }
  std::vector<v1::Delivery> List(const v1::ListDeliveriesRequest& first) {
    std::vector<v1::Delivery> deliveries;
    v1::ListDeliveriesRequest request = first;
    do {
      std::promise<absl::StatusOr<v1::ListDeliveriesResponse>> result;
      store_->ListDeliveries(request,
                             [&](auto response) { result.set_value(std::move(response)); });
      auto response = result.get_future().get();
      EXPECT_TRUE(response.ok()) << response.status();
      if (!response.ok()) break;
      for (auto& delivery : *response->mutable_deliveries()) deliveries.push_back(delivery);
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return deliveries;
  }
  absl::StatusOr<std::string> Read(const std::string& message_id) {
    auto reader = store_->ReadContent(message_id);
    std::string content;
    while (true) {
      std::promise<absl::StatusOr<std::string>> result;
      reader->Next([&](auto piece) { result.set_value(std::move(piece)); });
      auto piece = result.get_future().get();
      if (!piece.ok()) return piece.status();
      if (piece->empty()) return content;
      content += *piece;
    }
  }
  // Waits until nothing of the store's own is under way.
  void Settled() { Release("nobody.example"); }

  TemporaryDirectory directory_;
  uint64_t free_bytes_min_ = 0;
  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RocksStore> store_;
  std::vector<std::unique_ptr<Store::Consumer>> consumers_;
};

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

TEST_F(RocksStoreTest, QueueScopeHandsOutWhatIsHeldOnceAndSaysDrained) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("gateway.example", true));
  v1::NewMessage foreign = Message("gateway.example", true);
  foreign.mutable_deliveries(0)->mutable_recipients(1)->set_address("x@elsewhere.example");
  MustEnqueue(foreign);
  auto worker = std::make_shared<Worker>();
  Store::Consumer& consumer = LeaseQueue(worker, "gateway.example", 10);
  ASSERT_TRUE(worker->WaitDrained(1));
  const auto leased = worker->Wait(3);
  ASSERT_EQ(leased.size(), 3u);
  EXPECT_TRUE(leased[0].held());
  EXPECT_LT(leased[0].token().delivery_id(), leased[1].token().delivery_id());

  v1::Settlement hold = Outcomes(leased[0], v1::DISPOSITION_UNKNOWN);
  hold.set_hold(true);
  EXPECT_EQ(Settle(hold), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_TRUE(Get(leased[0].token().delivery_id())->outcome_unknown());
  EXPECT_EQ(Get(leased[0].token().delivery_id())->state(), v1::DELIVERY_STATE_HELD);
  AddCredit(consumer, 1);
  ASSERT_TRUE(worker->WaitDrained(2));
  EXPECT_EQ(worker->count(), 3u);  // not twice in one session

  MustEnqueue(Message("gateway.example", true));  // arrives while the session lasts
  EXPECT_EQ(worker->Wait(4).size(), 4u);

  auto next = std::make_shared<Worker>();
  LeaseQueue(next, "gateway.example", 10);
  EXPECT_EQ(next->Wait(1).at(0).attempts(), 0);  // no attempt was counted
}

TEST_F(RocksStoreTest, QueueScopeStopsAtItsLimit) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("gateway.example", true));
  auto worker = std::make_shared<Worker>();
  LeaseQueue(worker, "gateway.example", 10, 2);
  ASSERT_TRUE(worker->WaitDrained(1));
  EXPECT_EQ(worker->count(), 2u);
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

TEST_F(RocksStoreTest, DeliveriesAreListedInPages) {
  for (int i = 0; i < 5; ++i) MustEnqueue(Message("example.org", false));
  for (int i = 0; i < 5; ++i) MustEnqueue(Message("gateway.example", true));
  v1::ListDeliveriesRequest request;
  request.set_page_size(2);
  EXPECT_EQ(List(request).size(), 10u);
  request.set_state(v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(List(request).size(), 5u);
  request.clear_state();
  *request.mutable_queue() = Queue("example.org", v1::QUEUE_KIND_REMOTE);
  EXPECT_EQ(List(request).size(), 5u);

  v1::ListQueuesRequest queues;
  queues.set_page_size(1);
  const auto page = store_->ListQueues(queues);
  ASSERT_EQ(page->queues_size(), 1);
  EXPECT_EQ(page->queues(0).queue().name(), "example.org");
  queues.set_page_token(page->next_page_token());
  EXPECT_EQ(store_->ListQueues(queues)->queues(0).held(), 5);
}

TEST_F(RocksStoreTest, OperatorChangesADelivery) {
  MustEnqueue(Message("example.org", false));
  v1::ListDeliveriesRequest all;
  const uint64_t id = List(all).at(0).delivery_id();
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(id);

  request.set_hold(true);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(Remote("example.org").held(), 1);
  *request.mutable_move_to() = Queue("other.example", v1::QUEUE_KIND_REMOTE);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(Remote("example.org").held(), 0);
  EXPECT_EQ(Remote("other.example").held(), 1);
  request.set_make_due(true);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_READY);

  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  ASSERT_EQ(worker->Wait(1).size(), 1u);
  request.set_delete_(true);
  EXPECT_EQ(Update(request).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Get(id)->state(), v1::DELIVERY_STATE_LEASED);
  EXPECT_EQ(Get(id)->worker(), "test");
  consumers_.clear();
  EXPECT_FALSE(Update(request)->has_delivery());
  EXPECT_EQ(Update(request).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(List(all).empty());
}

TEST_F(RocksStoreTest, ReleasedMailThatIsHeldAgainWaitsForTheNextRelease) {
  MustEnqueue(Message("gateway.example", true));
  Release("gateway.example");
  v1::ListDeliveriesRequest all;
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(List(all).at(0).delivery_id());
  request.set_hold(true);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_HELD);
  EXPECT_EQ(Gateway("gateway.example").held(), 1);
  Reopen();
  EXPECT_EQ(Gateway("gateway.example").held(), 1);
  EXPECT_EQ(Release("gateway.example").released(), 1);
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
