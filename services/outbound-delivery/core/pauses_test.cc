#include "services/outbound-delivery/core/pauses.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

spool::v1::QueueName Queue(const std::string& name) {
  spool::v1::QueueName queue;
  queue.set_kind(spool::v1::QUEUE_KIND_REMOTE);
  queue.set_name(name);
  return queue;
}

class PausesTest : public ::testing::Test {
 protected:
  PauseChanges TakeChanges() { return std::exchange(changes_, {}); }

  Pauses pauses_;
  PauseChanges changes_;
};

TEST_F(PausesTest, OnlyTheFirstReasonPausesAndTheLastResumes) {
  pauses_.AddStalled(Queue("a.example"), &changes_);
  pauses_.AddStalled(Queue("a.example"), &changes_);
  pauses_.AddRoundWait(Queue("a.example"), &changes_);
  EXPECT_THAT(TakeChanges().pause, SizeIs(1));
  pauses_.RemoveStalled(Queue("a.example"), &changes_);
  pauses_.RemoveStalled(Queue("a.example"), &changes_);
  EXPECT_THAT(TakeChanges().resume, IsEmpty());
  pauses_.EndRoundWait(&changes_);
  EXPECT_THAT(TakeChanges().resume, SizeIs(1));
  EXPECT_EQ(pauses_.size(), 0u);
}

TEST_F(PausesTest, ResumingWhatIsNotPausedSaysNothing) {
  pauses_.RemoveStalled(Queue("a.example"), &changes_);
  pauses_.EndRoundWait(&changes_);
  pauses_.SetSuspended({}, &changes_);
  EXPECT_THAT(changes_.pause, IsEmpty());
  EXPECT_THAT(changes_.resume, IsEmpty());
}

TEST_F(PausesTest, SuspendedQueuesAreThoseOfTheNewestList) {
  pauses_.SetSuspended({Queue("a.example"), Queue("b.example")}, &changes_);
  EXPECT_THAT(TakeChanges().pause, SizeIs(2));
  pauses_.SetSuspended({Queue("b.example"), Queue("c.example")}, &changes_);
  const PauseChanges changes = TakeChanges();
  ASSERT_THAT(changes.resume, SizeIs(1));
  EXPECT_EQ(changes.resume[0].name(), "a.example");
  ASSERT_THAT(changes.pause, SizeIs(1));
  EXPECT_EQ(changes.pause[0].name(), "c.example");
  EXPECT_TRUE(pauses_.IsSuspended(Queue("b.example")));
  EXPECT_FALSE(pauses_.IsSuspended(Queue("a.example")));
  EXPECT_THAT(pauses_.All(), SizeIs(2));
}

}  // namespace
}  // namespace turnpike::delivery
