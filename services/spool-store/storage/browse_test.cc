#include "services/spool-store/storage/browse.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "services/spool-store/storage/testing_store.h"

namespace turnpike::spool {
namespace {

class BrowseTest : public StoreTest {};

TEST_F(BrowseTest, DeliveriesAreListedInPages) {
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

TEST_F(BrowseTest, DeliveriesAreFoundByTheirAddresses) {
  v1::NewMessage ann = Message("example.org", false);
  ann.mutable_envelope()->set_return_path("Ann@Sender.test");
  MustEnqueue(ann);
  MustEnqueue(Message("example.org", false));
  MustEnqueue(Message("other.example", false));
  v1::ListDeliveriesRequest request;
  request.set_page_size(1);
  request.set_sender("ann@sender.test");
  ASSERT_EQ(List(request).size(), 1u);
  EXPECT_EQ(List(request)[0].envelope().return_path(), "Ann@Sender.test");
  request.set_recipient("b@EXAMPLE.org");
  EXPECT_EQ(List(request).size(), 1u);
  request.clear_sender();
  EXPECT_EQ(List(request).size(), 2u);
  request.set_recipient("@other.example");
  EXPECT_EQ(List(request).size(), 1u);
  *request.mutable_queue() = Queue("example.org", v1::QUEUE_KIND_REMOTE);
  EXPECT_TRUE(List(request).empty());
}

TEST_F(BrowseTest, DeliveriesWithAnUnknownOutcomeAreFound) {
  for (int i = 0; i < 3; ++i) MustEnqueue(Message("gateway.example", true));
  auto worker = std::make_shared<Worker>();
  LeaseQueue(worker, "gateway.example", 1);
  const v1::LeasedDelivery leased = worker->Wait(1).at(0);
  v1::Settlement settlement = Outcomes(leased, v1::DISPOSITION_UNKNOWN);
  settlement.set_hold(true);
  ASSERT_EQ(Settle(settlement), v1::SETTLE_OUTCOME_SETTLED);
  v1::ListDeliveriesRequest request;
  request.set_outcome_unknown(true);
  const std::vector<v1::Delivery> found = List(request);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].delivery_id(), leased.token().delivery_id());
}

}  // namespace
}  // namespace turnpike::spool
