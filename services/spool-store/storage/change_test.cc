#include "services/spool-store/storage/change.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

class ChangeTest : public StoreTest {};

TEST_F(ChangeTest, OperatorChangesADelivery) {
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

TEST_F(ChangeTest, ReleasedMailThatIsHeldAgainWaitsForTheNextRelease) {
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

TEST_F(ChangeTest, ReturnIsLeftToAWorkerOfAllQueues) {
  MustEnqueue(Message("gateway.example", true));
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(List(v1::ListDeliveriesRequest()).at(0).delivery_id());
  request.mutable_return_to_sender()->set_code(550);
  request.mutable_return_to_sender()->set_text("Returned by the operator");
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_READY);
  Reopen();
  auto gateway = std::make_shared<Worker>();
  LeaseQueue(gateway, "gateway.example", 1);
  ASSERT_TRUE(gateway->WaitDrained(1));
  EXPECT_EQ(gateway->count(), 0u);
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  const auto leased = worker->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].return_reply().code(), 550);
  EXPECT_EQ(leased[0].return_reply().text(), "Returned by the operator");
}

TEST_F(ChangeTest, AnotherChangeTakesTheReturnBack) {
  MustEnqueue(Message("gateway.example", true));
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(List(v1::ListDeliveriesRequest()).at(0).delivery_id());
  request.mutable_return_to_sender()->set_code(550);
  ASSERT_TRUE(Update(request).ok());
  request.set_hold(true);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_HELD);
  auto gateway = std::make_shared<Worker>();
  LeaseQueue(gateway, "gateway.example", 1);
  const auto leased = gateway->Wait(1);
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_FALSE(leased[0].has_return_reply());
}

TEST_F(ChangeTest, RouteOfADeliveryComesBeforeThatOfItsQueue) {
  MustEnqueue(Message("gateway.example", true));
  MustEnqueue(Message("gateway.example", true));
  Release("gateway.example", "192.0.2.1");
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(List(v1::ListDeliveriesRequest()).at(0).delivery_id());
  request.mutable_reroute()->set_host("spare.example");
  request.mutable_reroute()->set_port(2525);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_READY);
  Reopen();
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 2);
  const auto leased = worker->Wait(2);
  ASSERT_EQ(leased.size(), 2u);
  for (const v1::LeasedDelivery& one : leased) {
    const bool is_rerouted = one.token().delivery_id() == request.delivery_id();
    EXPECT_EQ(one.route().host(), is_rerouted ? "spare.example" : "");
    EXPECT_EQ(one.route().address(), is_rerouted ? "" : "192.0.2.1");
  }
  // It stays until the delivery is done, or goes to another queue.
  ASSERT_EQ(Settle(Delayed(leased[0], absl::Seconds(5))), v1::SETTLE_OUTCOME_SETTLED);
  ASSERT_EQ(Settle(Delayed(leased[1], absl::Seconds(5))), v1::SETTLE_OUTCOME_SETTLED);
  *request.mutable_move_to() = Queue("example.org", v1::QUEUE_KIND_REMOTE);
  ASSERT_TRUE(Update(request).ok());
  Advance(absl::Seconds(6));
  AddCredit(*consumers_.back(), 2);
  const auto again = worker->Wait(4);
  ASSERT_EQ(again.size(), 4u);
  for (size_t i = 2; i < 4; ++i) {
    EXPECT_EQ(again[i].has_route(), again[i].token().delivery_id() != request.delivery_id());
  }
}

TEST_F(ChangeTest, WhatIsParkedComesBackByAChange) {
  MustEnqueue(Message("example.org", false));
  auto worker = std::make_shared<Worker>();
  LeaseDue(worker, 1);
  v1::Settlement settlement = Outcomes(worker->Wait(1).at(0), v1::DISPOSITION_DELAYED);
  settlement.set_park(true);
  ASSERT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(settlement.token().delivery_id());
  EXPECT_EQ(Get(request.delivery_id())->state(), v1::DELIVERY_STATE_PARKED);
  request.set_make_due(true);
  EXPECT_EQ(Update(request)->delivery().state(), v1::DELIVERY_STATE_READY);
  AddCredit(*consumers_.back(), 1);
  EXPECT_EQ(worker->Wait(2).size(), 2u);
}

TEST_F(ChangeTest, FaultyChangeIsRefused) {
  MustEnqueue(Message("example.org", false));
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(List(v1::ListDeliveriesRequest()).at(0).delivery_id());
  EXPECT_EQ(Update(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.mutable_return_to_sender()->set_code(450);
  EXPECT_EQ(Update(request).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace turnpike::spool
