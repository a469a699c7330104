#include "services/outbound-delivery/core/dispatcher.h"

#include "absl/strings/str_cat.h"
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
    dispatcher_.Add(work, {.kind = kind, .name = domain, .connections_max = 4}, now_, &actions_);
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
  WorkPtr Take(SessionId session) { return dispatcher_.Take(session, now_, &actions_); }

  absl::Time now_ = absl::FromUnixSeconds(1795000000);
  Actions actions_;
  Dispatcher dispatcher_{{.waiting_max = 200}};
};

TEST_F(DispatcherTest, FirstDeliveryOpensOneSession) {
  AddMany(1, 10);
  const Actions actions = TakeActions();
  ASSERT_THAT(actions.open, SizeIs(1));
  EXPECT_EQ(actions.open[0].plan->name, "far.example");
}

TEST_F(DispatcherTest, RestartTakesOutAllThatWaitsAndEndsPauses) {
  AddMany(1, 300);
  const SessionId session = OpenOne();
  Take(session);
  Actions restart;
  const std::vector<WorkPtr> removed = dispatcher_.Restart({.waiting_max = 1000}, &restart);
  EXPECT_THAT(removed, SizeIs(199));  // the session has one, and the rest was put off
  EXPECT_THAT(restart.resume, SizeIs(1));
  EXPECT_EQ(dispatcher_.waiting(), 0u);
  AddMany(301, 700);
  EXPECT_THAT(TakeActions().hand_back, IsEmpty());
  EXPECT_EQ(dispatcher_.waiting(), 400u);
}

TEST_F(DispatcherTest, PlansOfAnotherRevisionHaveSessionsOfTheirOwn) {
  Add(1);
  const SessionId old = OpenOne();
  EXPECT_NE(Take(old), nullptr);
  auto work = std::make_shared<Work>();
  work->delivery.mutable_token()->set_delivery_id(2);
  work->delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_REMOTE);
  work->delivery.mutable_queue()->set_name("far.example");
  dispatcher_.Add(work, {.name = "far.example", .connections_max = 4, .revision = 7}, now_,
                  &actions_);
  EXPECT_EQ(work->revision, 7u);
  EXPECT_EQ(Take(old), nullptr);
  const SessionId session = OpenOne();
  EXPECT_EQ(Take(session), work);
}

TEST_F(DispatcherTest, WindowGrowsWithEachAnsweredMessageUpToTheLimit) {
  AddMany(1, 100);
  std::vector<SessionId> sessions = {OpenOne()};
  EXPECT_THAT(TakeActions().open, IsEmpty());
  for (size_t expected : {2, 3, 4, 4}) {
    Take(sessions[0]);
    if (expected == 2) Take(sessions[0]);  // the first has been answered
    for (const Actions::Open& open : TakeActions().open) {
      sessions.push_back(open.session);
      dispatcher_.OnSessionReady(open.session, now_, &actions_);
    }
    EXPECT_EQ(sessions.size(), expected);
  }
}

TEST_F(DispatcherTest, HostThatHangsAfterTheFirstMessageKeepsOneConnection) {
  AddMany(1, 100);
  const SessionId session = OpenOne();
  Take(session);
  EXPECT_THAT(TakeActions().open, IsEmpty());
  now_ += absl::Seconds(4);
  dispatcher_.Sweep(now_, &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.hand_back, SizeIs(98)) << "all but what the session takes next";
  EXPECT_THAT(actions.pause, SizeIs(1));
  EXPECT_THAT(actions.fail, IsEmpty());
  EXPECT_NE(Take(session), nullptr);
  EXPECT_THAT(TakeActions().resume, SizeIs(1)) << "nothing is left for the next time";
}

TEST_F(DispatcherTest, StalledDestinationWithoutSessionsIsResumed) {
  AddMany(1, 10);
  const SessionId session = OpenOne();
  Take(session);
  now_ += absl::Seconds(4);
  dispatcher_.Sweep(now_, &actions_);
  EXPECT_THAT(TakeActions().pause, SizeIs(1));
  dispatcher_.OnSessionEnded(session, std::nullopt, now_, &actions_);
  EXPECT_THAT(TakeActions().resume, SizeIs(1));
  EXPECT_EQ(dispatcher_.stalled_count(), 0u);
}

TEST_F(DispatcherTest, ThrottledHostGetsHalfOfTheConnections) {
  AddMany(1, 100);
  std::vector<SessionId> sessions = {OpenOne()};
  for (int i = 0; i < 5; ++i) {
    Take(sessions[0]);
    for (const Actions::Open& open : TakeActions().open) {
      sessions.push_back(open.session);
      dispatcher_.OnSessionReady(open.session, now_, &actions_);
      Take(open.session);
    }
  }
  ASSERT_THAT(sessions, SizeIs(4));
  dispatcher_.OnThrottled(sessions[0], now_);
  dispatcher_.OnThrottled(sessions[1], now_);  // of the same burst
  EXPECT_EQ(Take(sessions[0]), nullptr);
  EXPECT_EQ(Take(sessions[1]), nullptr);
  EXPECT_NE(Take(sessions[2]), nullptr);
  EXPECT_NE(Take(sessions[3]), nullptr);
  EXPECT_THAT(TakeActions().wake, IsEmpty());
  now_ += absl::Seconds(31);
  EXPECT_NE(Take(sessions[2]), nullptr);
  EXPECT_THAT(TakeActions().wake, SizeIs(1));  // it grows again
}

TEST_F(DispatcherTest, SessionTakesDeliveriesInOrder) {
  AddMany(1, 2);
  const SessionId session = OpenOne();
  EXPECT_EQ(Take(session)->id(), 1u);
  EXPECT_EQ(Take(session)->id(), 2u);
  EXPECT_EQ(Take(session), nullptr);
}

TEST_F(DispatcherTest, IdleSessionIsWokenRatherThanAnotherOpened) {
  Add(1);
  const SessionId session = OpenOne();
  Take(session);
  EXPECT_EQ(Take(session), nullptr);
  Add(2);
  const Actions actions = TakeActions();
  EXPECT_THAT(actions.open, IsEmpty());
  EXPECT_THAT(actions.wake, ::testing::ElementsAre(session));
  EXPECT_FALSE(dispatcher_.EndIdle(session));
  EXPECT_EQ(Take(session)->id(), 2u);
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
  EXPECT_EQ(actions.fail[0].failure.reply, smtp::Reply(kCannotConnect));
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
  Take(first);
  EXPECT_EQ(Take(first)->id(), 2u);
  const SessionId second = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(second, {.reply = kCannotConnect}, now_, &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.fail, IsEmpty());
  EXPECT_THAT(actions.open, IsEmpty());
  EXPECT_EQ(Take(first)->id(), 3u);
  EXPECT_THAT(TakeActions().open, IsEmpty());
}

TEST_F(DispatcherTest, SessionThatEndsIsReplacedWhileWorkWaits) {
  AddMany(1, 3);
  const SessionId session = OpenOne();
  Take(session);
  dispatcher_.OnSessionEnded(session, std::nullopt, now_, &actions_);
  EXPECT_THAT(TakeActions().open, SizeIs(1));
  AddMany(4, 5);
  EXPECT_THAT(TakeActions().open, IsEmpty());  // until somebody knows that the host is there
}

TEST_F(DispatcherTest, RequeuedDeliveryComesFirst) {
  AddMany(1, 3);
  const SessionId session = OpenOne();
  WorkPtr work = Take(session);
  dispatcher_.Requeue(session, work, &actions_);
  EXPECT_EQ(Take(session)->id(), 1u);
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
    WorkPtr work = Take(session);
    dispatcher_.Requeue(session, work, &actions_);
    dispatcher_.OnSessionEnded(session, Failure{.reply = kConnectionLost}, now_, &actions_);
  }
  EXPECT_THAT(TakeActions().fail, SizeIs(5));
}

TEST_F(DispatcherTest, StalledDestinationKeepsNothingWaitingUntilItIsReached) {
  AddMany(1, 50);
  const SessionId session = TakeActions().open.at(0).session;
  now_ += absl::Seconds(2);
  dispatcher_.Sweep(now_, &actions_);
  EXPECT_THAT(TakeActions().hand_back, IsEmpty());
  now_ += absl::Seconds(2);
  dispatcher_.Sweep(now_, &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.hand_back, SizeIs(50));
  ASSERT_THAT(actions.pause, SizeIs(1));
  EXPECT_EQ(actions.pause[0].name(), "far.example");
  EXPECT_EQ(dispatcher_.waiting(), 0u);
  EXPECT_EQ(dispatcher_.stalled_count(), 1u);
  Add(51);  // was on its way
  actions = TakeActions();
  EXPECT_THAT(actions.hand_back, SizeIs(1));
  EXPECT_THAT(actions.pause, IsEmpty());
  dispatcher_.OnSessionReady(session, now_, &actions_);
  EXPECT_THAT(TakeActions().resume, SizeIs(1));
  EXPECT_EQ(dispatcher_.stalled_count(), 0u);
}

TEST_F(DispatcherTest, NobodyIsStalledWhileAllWaitLong) {
  constexpr uint64_t kDestinations = 40;
  for (uint64_t id = 0; id < kDestinations; ++id) Add(id, absl::StrCat("d", id, ".example"));
  const std::vector<Actions::Open> opening = TakeActions().open;
  ASSERT_THAT(opening, SizeIs(kDestinations));
  // One after the other, two of them a second.
  for (uint64_t i = 0; i < kDestinations; ++i) {
    now_ += absl::Milliseconds(500);
    dispatcher_.OnSessionReady(opening[i].session, now_, &actions_);
    EXPECT_NE(Take(opening[i].session), nullptr);
    dispatcher_.Sweep(now_, &actions_);
  }
  EXPECT_THAT(TakeActions().hand_back, IsEmpty());
  EXPECT_EQ(dispatcher_.stalled_count(), 0u);
}

TEST_F(DispatcherTest, OneThatWaitsLongerThanOthersIsStalled) {
  Add(1000, "hangs.example");
  for (uint64_t id = 0; id < 20; ++id) {
    Add(id, absl::StrCat("d", id, ".example"));
    now_ += absl::Milliseconds(100);
    const SessionId session = TakeActions().open.back().session;
    dispatcher_.OnSessionReady(session, now_, &actions_);
    Take(session);
  }
  now_ += absl::Milliseconds(1100);
  dispatcher_.Sweep(now_, &actions_);
  const Actions actions = TakeActions();
  EXPECT_EQ(dispatcher_.stalled_count(), 1u);
  ASSERT_FALSE(actions.hand_back.empty());
  EXPECT_EQ(actions.hand_back[0]->id(), 1000u);
}

TEST_F(DispatcherTest, StalledDestinationThatFailsIsResumedAndFailsWhatComes) {
  Add(1);
  const SessionId session = TakeActions().open.at(0).session;
  now_ += absl::Seconds(4);
  dispatcher_.Sweep(now_, &actions_);
  TakeActions();
  dispatcher_.OnSessionFailed(session, {.reply = kCannotConnect}, now_, &actions_);
  EXPECT_THAT(TakeActions().resume, SizeIs(1));
  Add(1);
  EXPECT_THAT(TakeActions().fail, SizeIs(1));
}

TEST_F(DispatcherTest, WhatAHostHasAnsweredIsNotHandedBack) {
  WorkPtr work = Add(1);
  work->so_far = Attempt::OfAll(1, {.is_from_peer = true}, {.host = "one"});
  now_ += absl::Seconds(4);
  dispatcher_.Sweep(now_, &actions_);
  const Actions actions = TakeActions();
  EXPECT_THAT(actions.hand_back, IsEmpty());
  ASSERT_THAT(actions.fail, SizeIs(1));
  EXPECT_TRUE(actions.fail[0].failure.is_untried);
}

TEST_F(DispatcherTest, MoreQueuesThanMayBePausedArePutOff) {
  Dispatcher dispatcher({.paused_max = 2});
  for (uint64_t id = 1; id <= 5; ++id) {
    auto work = std::make_shared<Work>();
    work->delivery.mutable_token()->set_delivery_id(id);
    work->delivery.mutable_queue()->set_name("queue" + std::to_string(id));
    dispatcher.Add(work, {.kind = RoutePlan::Kind::kSmartHost, .name = "relay.example"}, now_,
                   &actions_);
  }
  const SessionId session = TakeActions().open.at(0).session;
  dispatcher.Sweep(now_ + absl::Seconds(4), &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.pause, SizeIs(2));
  EXPECT_THAT(actions.hand_back, SizeIs(2));
  EXPECT_THAT(actions.fail, SizeIs(3));
  dispatcher.OnSessionReady(session, now_, &actions_);
  EXPECT_THAT(TakeActions().resume, SizeIs(2));
}

TEST_F(DispatcherTest, FullDestinationPausesItsQueueUntilHalfIsGone) {
  AddMany(1, 201);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.hand_back, SizeIs(1));
  EXPECT_THAT(actions.pause, SizeIs(1));
  const SessionId session = actions.open.at(0).session;
  dispatcher_.OnSessionReady(session, now_, &actions_);
  for (int i = 0; i < 99; ++i) Take(session);
  EXPECT_THAT(TakeActions().resume, IsEmpty());
  Take(session);
  EXPECT_THAT(TakeActions().resume, SizeIs(1));
}

TEST_F(DispatcherTest, UnreachableMailGoesToItsFallbackInTheSameAttempt) {
  RoutePlan plan{.name = "far.example"};
  plan.fallback = std::make_shared<const RoutePlan>(
      RoutePlan{.kind = RoutePlan::Kind::kSmartHost, .name = "relay.example"});
  const auto add = [&](uint64_t id) {
    auto work = std::make_shared<Work>();
    work->delivery.mutable_token()->set_delivery_id(id);
    work->delivery.mutable_queue()->set_name("far.example");
    dispatcher_.Add(work, plan, now_, &actions_);
  };
  add(1);
  SessionId session = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(session, {.reply = kNoMailHost, .is_unreachable = true}, now_,
                              &actions_);
  Actions actions = TakeActions();
  EXPECT_THAT(actions.fail, IsEmpty());
  ASSERT_THAT(actions.open, SizeIs(1));
  EXPECT_EQ(actions.open[0].plan->name, "relay.example");
  // The smart host's own failure is the end of the attempt.
  session = actions.open[0].session;
  dispatcher_.OnSessionFailed(session, {.reply = kCannotConnect, .is_unreachable = true}, now_,
                              &actions_);
  EXPECT_THAT(TakeActions().fail, SizeIs(1));
  // What a host has said is an answer.
  add(2);
  session = TakeActions().open.at(0).session;
  dispatcher_.OnSessionFailed(session, {.reply = kCannotConnect, .is_from_peer = true}, now_,
                              &actions_);
  EXPECT_THAT(TakeActions().fail, SizeIs(1));
}

TEST_F(DispatcherTest, MailOfSeveralQueuesSharesTheSmartHostsSessions) {
  for (uint64_t id : {1, 2}) {
    Add(id, id == 1 ? "a.example" : "b.example", RoutePlan::Kind::kSmartHost);
  }
  EXPECT_THAT(TakeActions().open, SizeIs(2)) << "different hosts";
  auto work = std::make_shared<Work>();
  work->delivery.mutable_token()->set_delivery_id(3);
  work->delivery.mutable_queue()->set_name("c.example");
  dispatcher_.Add(work, {.kind = RoutePlan::Kind::kSmartHost, .name = "a.example"}, now_,
                  &actions_);
  EXPECT_EQ(dispatcher_.waiting(), 3u);
}

TEST_F(DispatcherTest, ChosenWorkIsTakenOut) {
  AddMany(1, 4);
  const auto removed = dispatcher_.RemoveIf([](const Work& work) { return work.id() % 2 == 0; });
  EXPECT_THAT(removed, SizeIs(2));
  EXPECT_EQ(Take(OpenOne())->id(), 1u);
  EXPECT_EQ(dispatcher_.waiting(), 1u);
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
  EXPECT_EQ(Take(session), nullptr);
  EXPECT_TRUE(dispatcher_.EndIdle(session));
}

TEST_F(DispatcherTest, UnusedDestinationIsForgotten) {
  Add(1);
  const SessionId session = OpenOne();
  Take(session);
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
