#include "services/spool-store/storage/queue_walk.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/spool-store/core/record_util.h"
#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

class QueueWalkTest : public StoreTest {};

TEST_F(QueueWalkTest, QueueScopeHandsOutWhatIsHeldOnceAndSaysDrained) {
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

TEST_F(QueueWalkTest, QueueScopeStopsAtItsLimit) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("gateway.example", true));
  auto worker = std::make_shared<Worker>();
  LeaseQueue(worker, "gateway.example", 10, 2);
  ASSERT_TRUE(worker->WaitDrained(1));
  EXPECT_EQ(worker->count(), 2u);
}

TEST_F(QueueWalkTest, OnlyWhatWasReceivedBeforeATimeIsHandedOut) {
  auto enqueue = [&](absl::Duration age, bool hold) {
    v1::NewMessage message = Message("gateway.example", true);
    message.mutable_deliveries(0)->set_hold(hold);
    *message.mutable_received_time() = ToTimestamp(clock_.Now() - age);
    MustEnqueue(message);
    return message.message_id();
  };
  const std::string old_one = enqueue(absl::Hours(48), true);
  const std::string older_but_stored_later = enqueue(absl::Hours(72), true);
  enqueue(absl::Hours(24) - absl::Milliseconds(1), true);
  const std::string in_disorder = enqueue(absl::Hours(24) + absl::Milliseconds(1), true);
  const std::string ready = enqueue(absl::Hours(30), false);
  for (int i = 0; i < 100; ++i) enqueue(absl::ZeroDuration(), true);

  v1::LeaseOpen open;
  *open.mutable_queue()->mutable_queue() = Queue("gateway.example", v1::QUEUE_KIND_GATEWAY);
  open.mutable_queue()->add_recipient_domains("gateway.example");
  *open.mutable_queue()->mutable_received_before() = ToTimestamp(clock_.Now() - absl::Hours(24));
  auto worker = std::make_shared<Worker>();
  Store::Consumer& consumer = Lease(open, worker, 10);
  ASSERT_TRUE(worker->WaitDrained(1));
  std::vector<std::string> ids;
  for (const v1::LeasedDelivery& leased : worker->Wait(0)) ids.push_back(leased.message_id());
  EXPECT_EQ(ids, (std::vector<std::string>{ready, old_one, older_but_stored_later, in_disorder}));

  enqueue(absl::Hours(24), true);  // exactly so old is not older
  AddCredit(consumer, 1);
  ASSERT_TRUE(worker->WaitDrained(2));
  EXPECT_EQ(worker->count(), 4u);
  // Whoever asks for all gets the rest.
  auto next = std::make_shared<Worker>();
  LeaseQueue(next, "gateway.example", 1000);
  EXPECT_EQ(next->Wait(102).size(), 102u);
}

TEST_F(QueueWalkTest, MuchThatIsTooYoungDoesNotHideWhatIsOld) {
  for (int i = 0; i < 200; ++i) {
    v1::NewMessage message = Message("gateway.example", true);
    message.mutable_deliveries(0)->set_hold(i % 2 == 0);
    const absl::Duration age = i < 198 ? absl::Minutes(5) : absl::Minutes(15);
    *message.mutable_received_time() = ToTimestamp(clock_.Now() - age);
    MustEnqueue(message);
  }
  v1::LeaseOpen open;
  *open.mutable_queue()->mutable_queue() = Queue("gateway.example", v1::QUEUE_KIND_GATEWAY);
  open.mutable_queue()->add_recipient_domains("gateway.example");
  *open.mutable_queue()->mutable_received_before() = ToTimestamp(clock_.Now() - absl::Minutes(10));
  auto worker = std::make_shared<Worker>();
  Lease(open, worker, 10);
  ASSERT_TRUE(worker->WaitDrained(1));
  EXPECT_EQ(worker->count(), 2u);
}

// As a drained shard's mail is behind what had been here before.
TEST_F(QueueWalkTest, OldMailBehindMuchYoungMailIsFound) {
  for (int i = 0; i < 200; ++i) {
    v1::NewMessage message = Message("gateway.example", true);
    const absl::Duration age = i < 198 ? absl::Hours(i % 20) : absl::Hours(72);
    *message.mutable_received_time() = ToTimestamp(clock_.Now() - age);
    MustEnqueue(message);
  }
  v1::LeaseOpen open;
  *open.mutable_queue()->mutable_queue() = Queue("gateway.example", v1::QUEUE_KIND_GATEWAY);
  open.mutable_queue()->add_recipient_domains("gateway.example");
  *open.mutable_queue()->mutable_received_before() = ToTimestamp(clock_.Now() - absl::Hours(24));
  auto worker = std::make_shared<Worker>();
  Lease(open, worker, 10);
  ASSERT_TRUE(worker->WaitDrained(1));
  EXPECT_EQ(worker->count(), 2u);
}

}  // namespace
}  // namespace turnpike::spool
