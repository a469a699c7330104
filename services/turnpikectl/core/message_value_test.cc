#include "services/turnpikectl/core/message_value.h"

#include <gtest/gtest.h>

#include <string>

#include "protos/turnpike/auth/v1/admin.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::ctl {
namespace {

spool::v1::Delivery Sample() {
  spool::v1::Delivery delivery;
  delivery.set_delivery_id(7);
  delivery.set_message_id(std::string(15, '\x01') + '\xff');
  delivery.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  delivery.mutable_queue()->set_name("customer.example");
  delivery.set_state(spool::v1::DELIVERY_STATE_DEFERRED);
  delivery.mutable_envelope()->set_return_path("ann@example.org");
  delivery.add_recipients()->set_address("bob@customer.example");
  delivery.mutable_recipients(0)->add_dsn_notify(mail::v1::DSN_NOTIFY_DELAY);
  delivery.mutable_received_time()->set_seconds(1'700'000'000);
  return delivery;
}

TEST(MessageValueTest, FieldsHaveTheFormsThatPeopleKnow) {
  const Value value = ToValue(Sample());
  EXPECT_EQ(value.At("delivery_id").digits(), "7");
  EXPECT_TRUE(value.At("delivery_id").is_id());
  EXPECT_FALSE(value.At("content_bytes").is_id());
  EXPECT_EQ(*value.At("message_id").text(), "01010101-0101-0101-0101-0101010101ff");
  EXPECT_EQ(*value.At("queue").text(), "gateway/customer.example");
  EXPECT_EQ(*value.At("state").text(), "deferred");
  EXPECT_EQ(*value.At("envelope.return_path").text(), "ann@example.org");
  EXPECT_EQ(*value.At("received_time").time(), absl::FromUnixSeconds(1'700'000'000));
  const Value notify = value.At("recipients.dsn_notify");
  EXPECT_EQ(*notify.list()->at(0).list()->at(0).text(), "delay");
}

TEST(MessageValueTest, FieldsWithoutAValueAreThereToo) {
  const Value value = ToValue(spool::v1::Delivery());
  ASSERT_EQ(value.object()->size(),
            static_cast<size_t>(spool::v1::Delivery::descriptor()->field_count()));
  EXPECT_TRUE(value.At("envelope").is_nothing());
  EXPECT_TRUE(value.At("state").is_nothing());
  EXPECT_EQ(value.At("attempts").digits(), "0");
  EXPECT_EQ(*value.At("worker").text(), "");
  EXPECT_TRUE(value.At("recipients").list()->empty());
}

TEST(MessageValueTest, OnlyTheChosenFieldOfAOneofIsThere) {
  mail::v1::Route route;
  route.set_host("mx.example.org");
  const Value value = ToValue(route);
  EXPECT_EQ(*value.At("host").text(), "mx.example.org");
  EXPECT_EQ(value.object()->front().name, "host");
  for (const Value::Member& member : *value.object()) EXPECT_NE(member.name, "address");
}

TEST(MessageValueTest, UnknownEnumValueIsItsNumber) {
  spool::v1::Delivery delivery;
  delivery.set_state(static_cast<spool::v1::DeliveryState>(99));
  EXPECT_EQ(ToValue(delivery).At("state").digits(), "99");
}

TEST(MessageValueTest, DurationIsAText) {
  auth::v1::AddScreenEntryRequest request;
  request.mutable_block_duration()->set_seconds(5400);
  EXPECT_EQ(*ToValue(request).At("block_duration").text(), "1h30m");
}

}  // namespace
}  // namespace turnpike::ctl
