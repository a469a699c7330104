#include "services/spool-store/client/fake_spool.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace turnpike::spool {
namespace {

// Remembers what a lease stream reports.
class Recorder : public LeaseStream::Handler {
 public:
  void OnLeased(v1::LeaseResponse response) override {
    for (const auto& delivery : response.deliveries()) leased.push_back(delivery);
    for (const auto& token : response.revoked()) revoked.push_back(token);
    drained += response.drained() ? 1 : 0;
  }
  void OnClosed(absl::Status status) override { closed.push_back(status); }

  std::vector<v1::LeasedDelivery> leased;
  std::vector<v1::LeaseToken> revoked;
  int drained = 0;
  std::vector<absl::Status> closed;
};

v1::NewMessage Message(char id, const std::string& queue, bool hold,
                       const std::string& recipient = "ann@example.org") {
  v1::NewMessage message;
  message.set_message_id(std::string(16, id));
  message.set_inline_content("Subject: x\r\n\r\nbody\r\n");
  message.set_content_bytes(static_cast<int64_t>(message.inline_content().size()));
  v1::NewDelivery& delivery = *message.add_deliveries();
  delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  delivery.mutable_queue()->set_name(queue);
  delivery.set_hold(hold);
  delivery.add_recipients()->set_address(recipient);
  return message;
}

class FakeSpoolTest : public testing::Test {
 protected:
  absl::Status Enqueue(v1::NewMessage message) {
    auto result = std::make_shared<absl::Status>(absl::UnknownError("no answer"));
    spool_.Enqueue(std::move(message), absl::InfiniteFuture(),
                   [result](absl::Status status) { *result = std::move(status); });
    return *result;
  }
  v1::SettleOutcome Settle(const v1::LeasedDelivery& leased, v1::Disposition disposition) {
    v1::Settlement settlement;
    *settlement.mutable_token() = leased.token();
    for (int32_t index : leased.recipient_indexes()) {
      v1::RecipientOutcome& outcome = *settlement.add_outcomes();
      outcome.set_index(index);
      outcome.set_disposition(disposition);
    }
    if (disposition == v1::DISPOSITION_DELAYED) {
      settlement.mutable_defer_until()->set_seconds(absl::ToUnixSeconds(clock_.Now()) + 60);
    }
    v1::SettleOutcome result = v1::SETTLE_OUTCOME_UNSPECIFIED;
    spool_.Settle(std::move(settlement), absl::InfiniteFuture(),
                  [&](absl::StatusOr<v1::SettleOutcome> outcome) { result = *outcome; });
    return result;
  }
  static absl::StatusOr<std::string> ReadPiece(ContentReader& reader) {
    absl::StatusOr<std::string> result = absl::UnknownError("no answer");
    reader.Next([&](absl::StatusOr<std::string> piece) { result = std::move(piece); });
    return result;
  }
  std::unique_ptr<LeaseStream> OpenDue(int32_t credit) {
    v1::LeaseOpen open;
    open.mutable_due();
    auto stream = spool_.OpenLease(open, recorder_);
    stream->AddCredit(credit);
    return stream;
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeSpool spool_{clock_};
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(FakeSpoolTest, RepeatedEnqueueMakesNoSecondMessage) {
  EXPECT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  EXPECT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  EXPECT_EQ(spool_.messages().size(), 1u);
  EXPECT_EQ(spool_.deliveries().size(), 1u);
}

TEST_F(FakeSpoolTest, ReadyDeliveryIsLeasedOnceAndIsGoneWhenDelivered) {
  auto stream = OpenDue(10);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  ASSERT_EQ(recorder_->leased.size(), 1u);
  EXPECT_EQ(recorder_->leased[0].inline_content(), "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(Settle(recorder_->leased[0], v1::DISPOSITION_DELIVERED), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(Settle(recorder_->leased[0], v1::DISPOSITION_DELIVERED), v1::SETTLE_OUTCOME_GONE);
  EXPECT_TRUE(spool_.deliveries().empty());
}

TEST_F(FakeSpoolTest, DeferredDeliveryIsLeasedAgainWhenItIsDue) {
  auto stream = OpenDue(10);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  ASSERT_EQ(Settle(recorder_->leased.at(0), v1::DISPOSITION_DELAYED), v1::SETTLE_OUTCOME_SETTLED);
  EXPECT_EQ(recorder_->leased.size(), 1u);
  clock_.Advance(absl::Seconds(61));
  spool_.Poll();
  ASSERT_EQ(recorder_->leased.size(), 2u);
  EXPECT_EQ(recorder_->leased[1].attempts(), 1);
}

TEST_F(FakeSpoolTest, HeldDeliveryWaitsForItsRelease) {
  auto stream = OpenDue(10);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", true)).ok());
  EXPECT_TRUE(recorder_->leased.empty());
  v1::ReleaseQueueRequest request;
  request.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  request.mutable_queue()->set_name("example.org");
  request.mutable_route()->set_address("192.0.2.1");
  int64_t released = 0;
  spool_.ReleaseQueue(
      request, absl::InfiniteFuture(),
      [&](absl::StatusOr<v1::ReleaseQueueResponse> response) { released = response->released(); });
  EXPECT_EQ(released, 1);
  ASSERT_EQ(recorder_->leased.size(), 1u);
  EXPECT_EQ(recorder_->leased[0].route().address(), "192.0.2.1");
}

TEST_F(FakeSpoolTest, QueueScopeLeasesHeldMailOfItsDomainsOnceAndSaysDrained) {
  ASSERT_TRUE(Enqueue(Message('a', "example.org", true)).ok());
  ASSERT_TRUE(Enqueue(Message('b', "example.org", true, "bob@other.example")).ok());
  v1::LeaseOpen open;
  open.mutable_queue()->mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  open.mutable_queue()->mutable_queue()->set_name("example.org");
  open.mutable_queue()->add_recipient_domains("example.org");
  auto stream = spool_.OpenLease(open, recorder_);
  stream->AddCredit(5);
  ASSERT_EQ(recorder_->leased.size(), 1u);
  EXPECT_TRUE(recorder_->leased[0].held());
  EXPECT_EQ(recorder_->drained, 1);
  stream->HandBack(recorder_->leased[0].token());
  stream->AddCredit(1);
  EXPECT_EQ(recorder_->leased.size(), 1u);  // not twice in one session
  EXPECT_EQ(recorder_->drained, 2);
}

TEST_F(FakeSpoolTest, OnlyWhatWasReceivedBeforeATimeIsHandedOut) {
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  for (int i = 0; i < 3; ++i) {
    v1::NewMessage message = Message(static_cast<char>('a' + i), "example.org", true);
    message.mutable_received_time()->set_seconds(now - 10 + i);
    ASSERT_TRUE(Enqueue(message).ok());
  }
  v1::LeaseOpen open;
  open.mutable_queue()->mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  open.mutable_queue()->mutable_queue()->set_name("example.org");
  open.mutable_queue()->add_recipient_domains("example.org");
  open.mutable_queue()->mutable_received_before()->set_seconds(now - 9);
  auto stream = spool_.OpenLease(open, recorder_);
  stream->AddCredit(5);
  ASSERT_EQ(recorder_->leased.size(), 1u);
  EXPECT_EQ(recorder_->leased[0].message_id(), std::string(16, 'a'));
}

TEST_F(FakeSpoolTest, PausedQueueIsLeftOutUntilItIsResumed) {
  v1::QueueName queue;
  queue.set_kind(v1::QUEUE_KIND_GATEWAY);
  queue.set_name("example.org");
  auto stream = OpenDue(10);
  stream->Pause(queue);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  ASSERT_TRUE(Enqueue(Message('b', "other.example", false)).ok());
  ASSERT_EQ(recorder_->leased.size(), 1u);
  EXPECT_EQ(recorder_->leased[0].queue().name(), "other.example");
  stream->Resume(queue);
  EXPECT_EQ(recorder_->leased.size(), 2u);
}

TEST_F(FakeSpoolTest, OperatorReturnsAndReroutes) {
  ASSERT_TRUE(Enqueue(Message('a', "example.org", true)).ok());
  ASSERT_TRUE(Enqueue(Message('b', "example.org", true)).ok());
  v1::UpdateDeliveryRequest request;
  request.set_delivery_id(spool_.deliveries().at(0).delivery_id());
  request.mutable_return_to_sender()->set_code(550);
  ASSERT_TRUE(spool_.UpdateDelivery(request).ok());
  request.set_delivery_id(spool_.deliveries().at(1).delivery_id());
  request.mutable_reroute()->set_host("spare.example");
  ASSERT_TRUE(spool_.UpdateDelivery(request).ok());
  auto stream = OpenDue(10);
  ASSERT_EQ(recorder_->leased.size(), 2u);
  EXPECT_EQ(recorder_->leased[0].return_reply().code(), 550);
  EXPECT_EQ(recorder_->leased[1].route().host(), "spare.example");
  EXPECT_EQ(spool_.UpdateDelivery(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FakeSpoolTest, BrokenStreamEndsItsLeasesAndLateSettlementCounts) {
  auto stream = OpenDue(1);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  spool_.BreakStreams(absl::UnavailableError("away"));
  ASSERT_EQ(recorder_->closed.size(), 1u);
  EXPECT_EQ(spool_.deliveries().at(0).state(), v1::DELIVERY_STATE_READY);
  EXPECT_EQ(Settle(recorder_->leased[0], v1::DISPOSITION_DELIVERED), v1::SETTLE_OUTCOME_SETTLED);
}

TEST_F(FakeSpoolTest, LeaseThatRunsOutIsRevoked) {
  auto stream = OpenDue(1);
  ASSERT_TRUE(Enqueue(Message('a', "example.org", false)).ok());
  clock_.Advance(absl::Minutes(6));
  spool_.Poll();
  EXPECT_EQ(recorder_->revoked.size(), 1u);
}

TEST_F(FakeSpoolTest, ContentInPiecesIsPutTogether) {
  const std::string id(16, 'a');
  std::vector<absl::Status> appended;
  auto record = [&](absl::Status status) { appended.push_back(std::move(status)); };
  spool_.AppendContent(id, 0, "one ", record);
  spool_.AppendContent(id, 4, "two", record);
  spool_.AppendContent(id, 4, "two", record);
  ASSERT_EQ(appended.size(), 3u);
  EXPECT_TRUE(appended[1].ok());
  EXPECT_FALSE(appended[2].ok());
  v1::NewMessage message = Message('a', "example.org", false);
  message.clear_inline_content();
  message.set_content_bytes(7);
  ASSERT_TRUE(Enqueue(message).ok());
  EXPECT_EQ(*ReadPiece(*spool_.ReadContent(1, id)), "one two");
}

TEST_F(FakeSpoolTest, ContentIsReadAsFarAsItIsAskedFor) {
  v1::NewMessage message = Message('a', "example.org", false);
  message.set_inline_content(std::string(kInlineContentBytesMax, 'x') + "rest");
  message.set_content_bytes(static_cast<int64_t>(message.inline_content().size()));
  ASSERT_TRUE(Enqueue(message).ok());
  const auto reader = spool_.ReadContent(1, message.message_id());
  EXPECT_EQ(ReadPiece(*reader)->size(), kInlineContentBytesMax);
  EXPECT_EQ(spool_.content_bytes_read(), static_cast<int64_t>(kInlineContentBytesMax));
  EXPECT_EQ(*ReadPiece(*reader), "rest");
  EXPECT_EQ(*ReadPiece(*reader), "");
  spool_.SetReadStatus(absl::UnavailableError("away"));
  EXPECT_EQ(ReadPiece(*reader).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(FakeSpoolTest, ContentOfAnUnknownMessageIsNotFound) {
  const auto reader = spool_.ReadContent(1, std::string(16, 'z'));
  EXPECT_EQ(ReadPiece(*reader).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FakeSpoolTest, HeldAnswersComeWhenTheyAreReleased) {
  spool_.HoldAnswers();
  EXPECT_EQ(Enqueue(Message('a', "example.org", false)).code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(spool_.messages().size(), 1u);
}

}  // namespace
}  // namespace turnpike::spool
