#include "services/spool-store/core/validate.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace turnpike::spool {
namespace {

v1::NewMessage Message() {
  v1::NewMessage message;
  message.set_message_id(std::string(16, 'i'));
  message.set_inline_content("x");
  message.set_content_bytes(1);
  v1::NewDelivery& delivery = *message.add_deliveries();
  delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_REMOTE);
  delivery.mutable_queue()->set_name("example.org");
  delivery.add_recipients()->set_address("a@example.org");
  return message;
}

TEST(ValidateTest, EachChangeIsTaken) {
  const std::vector<std::function<void(v1::UpdateDeliveryRequest&)>> changes = {
      [](auto& r) { r.set_hold(true); },
      [](auto& r) { r.set_make_due(true); },
      [](auto& r) { r.set_delete_(true); },
      [](auto& r) {
        r.mutable_move_to()->set_kind(v1::QUEUE_KIND_REMOTE);
        r.mutable_move_to()->set_name("example.org");
      },
      [](auto& r) { r.mutable_return_to_sender()->set_code(554); },
      [](auto& r) { r.mutable_reroute()->set_domain("example.org"); },
  };
  for (const auto& change : changes) {
    v1::UpdateDeliveryRequest request;
    change(request);
    EXPECT_TRUE(CheckUpdate(request).ok()) << request.ShortDebugString();
  }
}

TEST(ValidateTest, FaultyChangeIsRefused) {
  const std::vector<std::function<void(v1::UpdateDeliveryRequest&)>> faults = {
      [](auto&) {},
      [](auto& r) { r.set_hold(false); },
      [](auto& r) { r.mutable_move_to()->set_name("example.org"); },
      [](auto& r) { r.mutable_return_to_sender()->set_text("because"); },
      [](auto& r) { r.mutable_return_to_sender()->set_code(450); },
      [](auto& r) {
        r.mutable_return_to_sender()->set_code(550);
        r.mutable_return_to_sender()->set_text(std::string(kReplyTextBytesMax + 1, 'x'));
      },
      [](auto& r) { r.mutable_reroute()->set_port(25); },
      [](auto& r) {
        r.mutable_reroute()->set_host("mx.example.org");
        r.mutable_reroute()->set_port(65536);
      },
  };
  for (const auto& fault : faults) {
    v1::UpdateDeliveryRequest request;
    fault(request);
    EXPECT_EQ(CheckUpdate(request).code(), absl::StatusCode::kInvalidArgument)
        << request.ShortDebugString();
  }
}

TEST(ValidateTest, GoodMessageIsTaken) { EXPECT_TRUE(CheckNewMessage(Message()).ok()); }

TEST(ValidateTest, EachFaultIsRefused) {
  const std::vector<std::pair<std::string, std::function<void(v1::NewMessage&)>>> faults = {
      {"short id", [](auto& m) { m.set_message_id("x"); }},
      {"no deliveries", [](auto& m) { m.clear_deliveries(); }},
      {"no recipients", [](auto& m) { m.mutable_deliveries(0)->clear_recipients(); }},
      {"no kind", [](auto& m) { m.mutable_deliveries(0)->mutable_queue()->clear_kind(); }},
      {"no name", [](auto& m) { m.mutable_deliveries(0)->mutable_queue()->clear_name(); }},
      {"NUL in name",
       [](auto& m) { m.mutable_deliveries(0)->mutable_queue()->set_name(std::string("a\0b", 3)); }},
      {"upper case", [](auto& m) { m.mutable_deliveries(0)->mutable_queue()->set_name("A.org"); }},
      {"wrong size", [](auto& m) { m.set_content_bytes(2); }},
      {"negative size", [](auto& m) { m.set_content_bytes(-1); }},
      {"too large",
       [](auto& m) {
         m.set_inline_content(std::string(256 * 1024 + 1, 'x'));
         m.set_content_bytes(256 * 1024 + 1);
       }},
  };
  for (const auto& [name, make_faulty] : faults) {
    v1::NewMessage message = Message();
    make_faulty(message);
    EXPECT_EQ(CheckNewMessage(message).code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(ValidateTest, AddressLiteralIsAQueueName) {
  v1::QueueName queue;
  queue.set_kind(v1::QUEUE_KIND_REMOTE);
  queue.set_name("[192.0.2.1]");
  EXPECT_TRUE(CheckQueueName(queue).ok());
}

}  // namespace
}  // namespace turnpike::spool
