#include "services/outbound-delivery/core/attempt.h"

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

using smtp::Disposition;

smtp::RecipientOutcome Outcome(Disposition disposition, uint16_t code, bool is_from_peer = true) {
  return {.disposition = disposition,
          .stage = smtp::Stage::kRecipient,
          .reply = smtp::Reply(code, {}, "words"),
          .is_from_peer = is_from_peer};
}

const smtp::RecipientOutcome kTaken = Outcome(Disposition::kDelivered, 250);
const smtp::RecipientOutcome kRefused = Outcome(Disposition::kPermanentFailure, 550);
const smtp::RecipientOutcome kLater = Outcome(Disposition::kTransientFailure, 450);
const smtp::RecipientOutcome kLost = Outcome(Disposition::kTransientFailure, 451, false);

TEST(AttemptTest, AllRecipientsAreOpenAtFirstAndTheRefusedOnesLater) {
  Attempt attempt;
  EXPECT_EQ(OpenRecipients(attempt, 3), (std::vector<size_t>{0, 1, 2}));
  Merge({0, 1, 2}, {kTaken, kRefused, kLater}, {.host = "one"}, 3, &attempt);
  EXPECT_EQ(OpenRecipients(attempt, 3), (std::vector<size_t>{1}));
}

TEST(AttemptTest, AnotherHostThatTakesTheRecipientOrAnswersLaterDecides) {
  for (const smtp::RecipientOutcome& second : {kTaken, kLater}) {
    Attempt attempt;
    Merge({0}, {kRefused}, {.host = "one"}, 1, &attempt);
    Merge({0}, {second}, {.host = "two", .notifies = true}, 1, &attempt);
    EXPECT_EQ(attempt.outcomes[0], second);
    EXPECT_EQ(attempt.peers[0].host, "two");
    EXPECT_TRUE(attempt.peers[0].notifies);
    EXPECT_FALSE(HasRefusal(attempt));
  }
}

TEST(AttemptTest, FirstRefusalStaysWhenOthersRefuseTooOrSayNothing) {
  Attempt attempt;
  Merge({0}, {kRefused}, {.host = "one"}, 1, &attempt);
  Merge({0}, {Outcome(Disposition::kPermanentFailure, 554)}, {.host = "two"}, 1, &attempt);
  Merge({0}, {kLost}, {.host = "three"}, 1, &attempt);
  EXPECT_EQ(attempt.outcomes[0], kRefused);
  EXPECT_EQ(attempt.peers[0].host, "one");
}

TEST(AttemptTest, SoftenedRefusalKeepsItsWords) {
  Attempt attempt = Attempt::OfAll(2, kRefused, {.host = "one"});
  SoftenRefusals(&attempt);
  EXPECT_FALSE(HasRefusal(attempt));
  EXPECT_EQ(attempt.outcomes[1].disposition, Disposition::kTransientFailure);
  EXPECT_EQ(attempt.outcomes[1].reply.code(), 550);
}

TEST(AttemptTest, OurOwnVerdictIsNotSoftened) {
  Attempt attempt = Attempt::OfAll(1, Outcome(Disposition::kPermanentFailure, 554, false), {});
  SoftenRefusals(&attempt);
  EXPECT_EQ(attempt.outcomes[0].disposition, Disposition::kPermanentFailure);
}

}  // namespace
}  // namespace turnpike::delivery
