#include "services/spool-store/core/moved_delivery.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"
#include "services/spool-store/core/content_hash.h"
#include "services/spool-store/core/record_util.h"

namespace turnpike::spool {
namespace {

constexpr char kContent[] = "Subject: x\r\n\r\nbody\r\n";

records::MessageRecord Message() {
  records::MessageRecord message;
  message.mutable_envelope()->set_return_path("sender@example.com");
  message.mutable_client()->set_helo("client.example");
  message.set_received_ms(1'800'000'000'123);
  message.set_content_bytes(sizeof(kContent) - 1);
  message.set_content_hash(HashContent(kContent));
  return message;
}

records::DeliveryRecord Delivery() {
  records::DeliveryRecord delivery;
  delivery.set_message_id("0123456789abcdef");
  delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
  delivery.mutable_queue()->set_name("branch.example");
  delivery.set_section(records::SECTION_DEFERRED);
  delivery.set_due_second(1'800'000'900);
  delivery.set_release_epoch(4);
  delivery.add_recipients()->set_address("b@branch.example");
  delivery.add_recipient_indexes(1);
  delivery.set_received_ms(1'800'000'000'123);
  delivery.set_content_bytes(sizeof(kContent) - 1);
  delivery.set_sole(true);
  delivery.set_attempts(3);
  delivery.set_first_attempt_ms(1'800'000'001'000);
  delivery.set_last_attempt_ms(1'800'000'300'000);
  v1::RecipientOutcome& outcome = *delivery.add_last_outcomes();
  outcome.set_index(1);
  outcome.set_disposition(v1::DISPOSITION_UNKNOWN);
  delivery.set_outcome_unknown(true);
  delivery.set_delay_warned(true);
  delivery.mutable_return_reply()->set_code(550);
  delivery.mutable_route()->set_address("192.0.2.1");
  return delivery;
}

v1::MovedDelivery Moved() {
  v1::MovedDelivery moved =
      MakeMoved(7, Delivery(), Message(), v1::DELIVERY_STATE_DEFERRED, records::QueueRecord());
  moved.set_inline_content(kContent);
  return moved;
}

TEST(MovedDeliveryTest, NothingThatIsKnownOfADeliveryIsLost) {
  v1::MovedDelivery moved = Moved();
  auto made = MakeRecords(moved);
  ASSERT_TRUE(made.ok()) << made.status();
  const Position position = PlaceMoved(42, moved.state(), moved.next_attempt_time().seconds(), 4);
  SetPosition(position, made->delivery);
  EXPECT_EQ(made->delivery.SerializeAsString(), Delivery().SerializeAsString());
  EXPECT_EQ(made->message.SerializeAsString(), Message().SerializeAsString());
}

TEST(MovedDeliveryTest, DeferredMailIsDueWhenItWas) {
  const Position position = PlaceMoved(42, v1::DELIVERY_STATE_DEFERRED, 1'800'000'900, 9);
  EXPECT_EQ(position.section, Section::kDeferred);
  EXPECT_EQ(position.due_second, 1'800'000'900);
  EXPECT_EQ(position.release_epoch, 9u);
  EXPECT_EQ(PlaceMoved(42, v1::DELIVERY_STATE_HELD, 0, 9).section, Section::kHeld);
  EXPECT_EQ(PlaceMoved(42, v1::DELIVERY_STATE_READY, 0, 9).section, Section::kReady);
  EXPECT_EQ(PlaceMoved(42, v1::DELIVERY_STATE_PARKED, 0, 9).section, Section::kParked);
}

TEST(MovedDeliveryTest, LaterReleaseBringsItsRoute) {
  records::QueueRecord source;
  source.set_last_release_ms(2'000);
  source.mutable_route()->set_address("192.0.2.2");
  const v1::MovedDelivery moved =
      MakeMoved(7, Delivery(), Message(), v1::DELIVERY_STATE_READY, source);
  records::QueueRecord here;
  here.set_released_up_to(17);
  here.set_release_epoch(3);
  here.set_last_release_ms(1'000);
  EXPECT_TRUE(TakeOverRelease(moved, here));
  EXPECT_EQ(here.route().address(), "192.0.2.2");
  EXPECT_EQ(here.last_release_ms(), 2'000);
  EXPECT_EQ(here.released_up_to(), 17u);
  EXPECT_EQ(here.release_epoch(), 3u);
}

TEST(MovedDeliveryTest, EarlierReleaseChangesNothing) {
  records::QueueRecord source;
  source.set_last_release_ms(2'000);
  source.mutable_route()->set_address("192.0.2.2");
  const v1::MovedDelivery moved =
      MakeMoved(7, Delivery(), Message(), v1::DELIVERY_STATE_READY, source);
  records::QueueRecord here;
  here.set_last_release_ms(2'000);
  EXPECT_FALSE(TakeOverRelease(moved, here));
  EXPECT_FALSE(here.has_route());
  EXPECT_FALSE(TakeOverRelease(Moved(), here));
}

TEST(MovedDeliveryTest, DamagedContentIsNotTaken) {
  v1::MovedDelivery moved = Moved();
  moved.mutable_inline_content()->back() = '!';
  EXPECT_TRUE(absl::IsDataLoss(MakeRecords(moved).status()));
}

TEST(MovedDeliveryTest, WhatDoesNotFitIsNotTaken) {
  const auto refused = [](auto change) {
    v1::MovedDelivery moved = Moved();
    change(moved);
    return absl::IsInvalidArgument(MakeRecords(moved).status());
  };
  EXPECT_TRUE(refused([](auto& moved) { moved.set_number(0); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.set_message_id("short"); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.clear_queue(); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.clear_recipients(); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.add_recipient_indexes(5); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.set_state(v1::DELIVERY_STATE_LEASED); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.set_content_bytes(3); }));
  EXPECT_TRUE(refused([](auto& moved) { moved.set_content_bytes(-1); }));
}

}  // namespace
}  // namespace turnpike::spool
