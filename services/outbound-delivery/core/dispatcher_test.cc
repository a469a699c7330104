#include "services/outbound-delivery/core/dispatcher.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DispatcherTest : public ::testing::Test {
 protected:
  WorkPtr Add(uint64_t id, const std::string& domain = "far.example",
              RoutePlan::Kind kind = RoutePlan::Kind::kDirect) {
    auto work = std::make_shared<Work>();
    work->delivery.mutable_token()->set_delivery_id(id);
    work->delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_REMOTE);
    work->delivery.mutable_queue()->set_name(domain);
    dispatcher_.Add(work, {.kind = kind, .name = domain}, now_, &actions_);
    return work;
  }
  void AddMany(uint64_t from, uint64_t to) {
    for (uint64_t id = from; id <= to; ++id) Add(id);
  }
  // The actions since the last call.
  Actions TakeActions() { return std::exchange(actions_, {}); }
  SessionId OpenOne() {
    const Actions actions = TakeActions();
    EXPECT_THAT(actions.open, SizeIs(1));
    const SessionId session = actions.open.at(0).session;
    dispatcher_.OnSessionReady(session, now_, &actions_);
    return session;
  }

  absl::Time now_ = absl::FromUnixSeconds(1795000000);
  Actions actions_;
  Dispatcher dispatcher_{{.sessions_per_destination_max = 4}};
};

TEST_F(DispatcherTest, FirstDeliveryOpensOneSession) {
  AddMany(1, 10);
  const Actions actions = TakeActions();
  ASSERT_THAT(actions.open, SizeIs(1));
  EXPECT_EQ(actions.open[0].plan.name, "far.example");
}

TEST_F(DispatcherTest, SessionsGrowByDoublingUpToTheLimit) {
  AddMany(1, 100);
  OpenOne();
  size_t opened = 1;
  for (size_t expected : {2, 4, 4}) {
    const Actions actions = TakeActions();
    opened += actions.open.size();
    EXPECT_EQ(opened, expected);
    for (const Actions::Open& open : actions.open) {
      dispatcher_.OnSessionReady(open.session, now_, &actions_);
    }
  }
}

TEST_F(DispatcherTest, SessionTakesDeliveriesInOrder) {
  AddMany(1, 2);
  const SessionId session = OpenOne();
  EXPECT_EQ(dispatcher_.Take(session)->id(), 1u);
  EXPECT_EQ(dispatcher_.Take(session)->id(), 2u);
  EXPECT_EQ(dispatcher_.Take(session), nullptr);
}

TEST_F(DispatcherTest, IdleSessionIsWokenRatherThanAnotherOpened) {
  Add(1);
  const SessionId session = OpenOne();
  dispatcher_.Take(session);
  EXPECT_EQ(dispatcher_.Take(session), nullptr);
  Add(2);
  const Actions actions = TakeActions();
  EXPECT_THAT(actions.open, IsEmpty());
  EXPECT_THAT(actions.wake, ::testing::ElementsAre(session));
  EXPECT_FALSE(dispatcher_.EndIdle(session));
  EXPECT_EQ(dispatcher_.Take(session)->id(), 2u);
}

TEST_F(DispatcherTest, DestinationsDoNotShareSessions) {
  Add(1, "a.example");
  Add(2, "b.example");
  EXPECT_THAT(TakeActions().open, SizeIs(2));
}

TEST_F(DispatcherTest, UnreachableDestinationFailsAllThatWaitsAndBacksOff) {
  AddMany(1, 3);
  const SessionId session = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(session, {.reply = kCannotConnect}, now_, &actions_);
  EXPECT_THAT(TakeActions().fail, SizeIs(3));
  Add(4);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.open, IsEmpty());
  ASSERT_THAT(actions.fail, SizeIs(1));
  EXPECT_EQ(actions.fail[0].second.reply, smtp::Reply(kCannotConnect));
  now_ += absl::Seconds(16);
  Add(5);
  EXPECT_THAT(TakeActions().open, SizeIs(1));
}

TEST_F(DispatcherTest, ReleasedMailOfAGatewayIsTriedAtOnce) {
  Add(1, "branch.example", RoutePlan::Kind::kGateway);
  const SessionId session = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(session, {.reply = kCannotConnect}, now_, &actions_);
  EXPECT_THAT(TakeActions().fail, SizeIs(1));
  Add(2, "branch.example", RoutePlan::Kind::kGateway);
  EXPECT_THAT(TakeActions().open, SizeIs(1));
}

TEST_F(DispatcherTest, PermanentFailureDoesNotBackOff) {
  Add(1);
  dispatcher_.OnSessionFailed(TakeActions().open.at(0).session, {.reply = kNoSuchDomain}, now_,
                              &actions_);
  TakeActions();
  Add(2);
  EXPECT_THAT(TakeActions().open, SizeIs(1));
}

TEST_F(DispatcherTest, FurtherSessionThatFailsShrinksTheWindowAndLosesNothing) {
  AddMany(1, 100);
  const SessionId first = OpenOne();
  const SessionId second = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(second, {.reply = kCannotConnect}, now_, &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.fail, IsEmpty());
  EXPECT_THAT(actions.open, IsEmpty());
  EXPECT_EQ(dispatcher_.Take(first)->id(), 1u);
}

TEST_F(DispatcherTest, SessionThatEndsIsReplacedWhileWorkWaits) {
  AddMany(1, 3);
  const SessionId session = OpenOne();
  EXPECT_THAT(TakeActions().open, SizeIs(1));  // the second one
  dispatcher_.Take(session);
  dispatcher_.OnSessionEnded(session, std::nullopt, now_, &actions_);
  EXPECT_THAT(TakeActions().open, IsEmpty());  // until somebody knows that the host is there
  AddMany(4, 5);
  EXPECT_THAT(TakeActions().open, IsEmpty());
}

TEST_F(DispatcherTest, RequeuedDeliveryComesFirst) {
  AddMany(1, 3);
  const SessionId session = OpenOne();
  WorkPtr work = dispatcher_.Take(session);
  dispatcher_.Requeue(session, work, now_, &actions_);
  EXPECT_EQ(dispatcher_.Take(session)->id(), 1u);
}

TEST_F(DispatcherTest, SessionsThatAnswerNothingEndInFailure) {
  AddMany(1, 5);
  for (int i = 0; i < 3; ++i) {
    const SessionId session = TakeActions().open.at(0).session;
    dispatcher_.OnSessionReady(session, now_, &actions_);
    for (const Actions::Open& open : TakeActions().open) {
      dispatcher_.OnSessionFailed(open.session, {.reply = kCannotConnect}, now_, &actions_);
    }
    TakeActions();
    WorkPtr work = dispatcher_.Take(session);
    dispatcher_.Requeue(session, work, now_, &actions_);
    dispatcher_.OnSessionEnded(session, Failure{.reply = kConnectionLost}, now_, &actions_);
  }
  EXPECT_THAT(TakeActions().fail, SizeIs(5));
}

TEST_F(DispatcherTest, SlowDestinationKeepsOnlyAFewWaiting) {
  AddMany(1, 50);
  TakeActions();
  now_ += absl::Seconds(4);
  dispatcher_.Sweep(now_, &actions_);
  EXPECT_THAT(TakeActions().fail, IsEmpty());
  now_ += absl::Seconds(2);
  dispatcher_.Sweep(now_, &actions_);
  EXPECT_THAT(TakeActions().fail, SizeIs(40));
  EXPECT_EQ(dispatcher_.waiting(), 10u);
}

TEST_F(DispatcherTest, RevokedDeliveryIsTakenOut) {
  AddMany(1, 2);
  EXPECT_EQ(dispatcher_.Remove(1)->id(), 1u);
  EXPECT_EQ(dispatcher_.Remove(1), nullptr);
  EXPECT_EQ(dispatcher_.waiting(), 1u);
}

TEST_F(DispatcherTest, RemoveAllLeavesSessionsWithNothingToTake) {
  AddMany(1, 3);
  const SessionId session = OpenOne();
  EXPECT_THAT(dispatcher_.RemoveAll(), SizeIs(3));
  EXPECT_EQ(dispatcher_.Take(session), nullptr);
  EXPECT_TRUE(dispatcher_.EndIdle(session));
}

TEST_F(DispatcherTest, UnusedDestinationIsForgotten) {
  Add(1);
  const SessionId session = OpenOne();
  dispatcher_.Take(session);
  size_t seen = 0;
  const auto count = [&](const Dispatcher::DestinationView& view) {
    EXPECT_EQ(view.queue.name(), "far.example");
    EXPECT_EQ(view.sessions, 1u);
    ++seen;
    return true;
  };
  dispatcher_.Sweep(now_, &actions_);
  dispatcher_.Visit("", count);
  EXPECT_EQ(seen, 1u);
  dispatcher_.OnSessionEnded(session, std::nullopt, now_, &actions_);
  dispatcher_.Sweep(now_, &actions_);
  dispatcher_.Visit("", count);
  EXPECT_EQ(seen, 1u);
}

}  // namespace
}  // namespace turnpike::delivery
