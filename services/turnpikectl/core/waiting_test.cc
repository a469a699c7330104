#include "services/turnpikectl/core/waiting.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::ctl {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

spool::v1::Delivery Deferred() {
  spool::v1::Delivery delivery;
  delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_REMOTE);
  delivery.mutable_queue()->set_name("example.org");
  delivery.set_state(spool::v1::DELIVERY_STATE_DEFERRED);
  delivery.mutable_next_attempt_time()->set_seconds(1'700'000'300);
  delivery.set_attempts(3);
  spool::v1::RecipientOutcome* outcome = delivery.add_last_outcomes();
  outcome->set_host("mx1.example.org [192.0.2.1]:25");
  outcome->mutable_reply()->set_code(450);
  outcome->mutable_reply()->set_enhanced_code("4.2.1");
  outcome->mutable_reply()->set_text("busy");
  return delivery;
}

TEST(WaitingTest, DeferredSaysTheLastAnswerItsHostAndTheNextAttempt) {
  EXPECT_EQ(WhyItWaits(Deferred(), {}, kNow),
            "Waits for its next attempt, in 5m, at 2023-11-14T22:18:20Z. It was tried 3 times; the "
            "last time mx1.example.org [192.0.2.1]:25 answered `450 4.2.1 busy`.");
  EXPECT_EQ(WhyItWaits(Deferred(), {}, kNow + absl::Hours(1)),
            "Waits for its next attempt, which is due. It was tried 3 times; the last time "
            "mx1.example.org [192.0.2.1]:25 answered `450 4.2.1 busy`.");
}

TEST(WaitingTest, NoHostMeansThatTheReplyIsOurs) {
  spool::v1::Delivery delivery = Deferred();
  delivery.set_attempts(1);
  delivery.mutable_last_outcomes(0)->clear_host();
  EXPECT_EQ(WhyItWaits(delivery, {}, kNow),
            "Waits for its next attempt, in 5m, at 2023-11-14T22:18:20Z. It was tried once; the "
            "last time no host was reached: `450 4.2.1 busy`.");
}

TEST(WaitingTest, HeldSaysWhoMustAsk) {
  spool::v1::Delivery delivery;
  delivery.set_state(spool::v1::DELIVERY_STATE_HELD);
  delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  delivery.mutable_queue()->set_name("customer.example");
  EXPECT_EQ(WhyItWaits(delivery, {}, kNow),
            "Held until customer.example asks for it (ETRN, ATRN) or an operator releases it. It "
            "has not been tried yet.");
  EXPECT_EQ(WhyItWaits(delivery, {.is_suspended = true, .reason = "line is down"}, kNow),
            "Held until customer.example asks for it (ETRN, ATRN) or an operator releases it; the "
            "gateway is suspended (line is down). It has not been tried yet.");
  EXPECT_NE(WhyItWaits(delivery, {.is_suspended = true}, kNow).find("gateway is suspended. It"),
            std::string::npos);
  delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_REMOTE);
  EXPECT_EQ(WhyItWaits(delivery, {}, kNow),
            "Held by an operator until it is released or retried. It has not been tried yet.");
}

TEST(WaitingTest, EveryOtherStateSaysWhatItWaitsFor) {
  spool::v1::Delivery delivery;
  delivery.set_state(spool::v1::DELIVERY_STATE_READY);
  EXPECT_EQ(WhyItWaits(delivery, {}, kNow),
            "Due: waits for a free delivery worker. It has not been tried yet.");
  delivery.set_state(spool::v1::DELIVERY_STATE_LEASED);
  delivery.set_worker("outbound-delivery/1");
  EXPECT_EQ(WhyItWaits(delivery, {}, kNow),
            "With the worker outbound-delivery/1 at this moment. It has not been tried yet.");
  delivery.set_state(spool::v1::DELIVERY_STATE_PARKED);
  EXPECT_NE(WhyItWaits(delivery, {}, kNow).find("only an operator"), std::string::npos);
  delivery.set_state(static_cast<spool::v1::DeliveryState>(99));
  EXPECT_NE(WhyItWaits(delivery, {}, kNow).find("does not know"), std::string::npos);
}

TEST(WaitingTest, UnknownOutcomeWarnsOfADuplicate) {
  spool::v1::Delivery delivery = Deferred();
  delivery.set_outcome_unknown(true);
  EXPECT_NE(WhyItWaits(delivery, {}, kNow).find("may get it twice"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::ctl
