#include "services/smtp-frontend/session/turn_records.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <optional>

#include "services/common/net/testing/run.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::frontend {
namespace {

spool::v1::Settlement Settlement(uint64_t delivery_id) {
  spool::v1::Settlement settlement;
  settlement.mutable_token()->set_delivery_id(delivery_id);
  settlement.mutable_token()->set_fence(1);
  return settlement;
}

asio::awaitable<void> AwaitAll(TurnRecords* records, std::optional<absl::Status>* status) {
  *status = co_await records->AwaitAll();
}

class TurnRecordsTest : public ::testing::Test {
 protected:
  TurnRecordsTest() { environment_.spool = &spool_; }

  absl::Status Wait(TurnRecords& records) {
    std::optional<absl::Status> status;
    net::testing::RunToEnd(context_, AwaitAll(&records, &status));
    return *status;
  }

  spool::FakeSpool spool_;
  SessionEnvironment environment_;
  asio::io_context context_;
};

TEST_F(TurnRecordsTest, WaitEndsWhenAllAreDurable) {
  spool_.SetSettleResult(spool::v1::SETTLE_OUTCOME_SETTLED);
  TurnRecords records(environment_, absl::Seconds(10), "s");
  EXPECT_TRUE(Wait(records).ok());
  records.Add(Settlement(1));
  records.Add(Settlement(2));
  EXPECT_EQ(records.size(), 2u);
  EXPECT_TRUE(Wait(records).ok());
  EXPECT_EQ(records.size(), 0u);
  EXPECT_EQ(spool_.settlements().size(), 2u);
}

TEST_F(TurnRecordsTest, WhatTheStoreCouldNotTakeIsSentAgainAFewTimes) {
  spool_.SetSettleResult(spool::v1::SETTLE_OUTCOME_FAILED);
  TurnRecords records(environment_, absl::Seconds(10), "s");
  records.Add(Settlement(1));
  EXPECT_TRUE(absl::IsUnavailable(Wait(records)));
  EXPECT_EQ(spool_.settlements().size(), 3u);
}

TEST_F(TurnRecordsTest, LeaseOfSomebodyElseIsNoReasonToStop) {
  spool_.SetSettleResult(spool::v1::SETTLE_OUTCOME_LOST);
  TurnRecords records(environment_, absl::Seconds(10), "s");
  records.Add(Settlement(1));
  EXPECT_TRUE(Wait(records).ok());
}

TEST_F(TurnRecordsTest, OneThatIsNotKnownToBeRecordedIsToldAfterAllOthers) {
  spool_.SetSettleResult(absl::UnavailableError("away"));
  TurnRecords records(environment_, absl::Seconds(10), "s");
  records.Add(Settlement(1));
  spool_.SetSettleResult(spool::v1::SETTLE_OUTCOME_SETTLED);
  records.Add(Settlement(2));
  EXPECT_TRUE(absl::IsUnavailable(Wait(records)));
  EXPECT_EQ(records.size(), 0u);
  EXPECT_TRUE(Wait(records).ok());
}

}  // namespace
}  // namespace turnpike::frontend
