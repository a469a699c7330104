// messages, message ..., queues, queue ... (DL-43)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/turnpikectl/testing/program.h"

namespace turnpike::ctl {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
namespace v1 = spool::v1;

constexpr char kService[] = "turnpike.spool.v1.SpoolService.";
constexpr char kUuid[] = "01010101-0101-0101-0101-010101010101";

v1::Delivery MakeDelivery(uint64_t id) {
  v1::Delivery delivery;
  delivery.set_delivery_id(id);
  delivery.set_message_id(std::string(16, id <= 2 ? '\x01' : '\x02'));
  delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_REMOTE);
  delivery.mutable_queue()->set_name("example.org");
  delivery.set_state(v1::DELIVERY_STATE_DEFERRED);
  delivery.mutable_envelope()->set_return_path("ann@example.net");
  delivery.add_recipients()->set_address("bob\x1b[2J@example.org");
  delivery.set_attempts(1);
  v1::RecipientOutcome* outcome = delivery.add_last_outcomes();
  outcome->set_host("mx.example.org [192.0.2.1]:25");
  outcome->mutable_reply()->set_code(450);
  outcome->mutable_reply()->set_text("busy");
  return delivery;
}

// A store with deliveries 1, 2 (of one message) and 3. Delivery 3 is always leased.
class MessagesTest : public testing::Test {
 protected:
  MessagesTest() {
    FakeServices& services = program_.services();
    services.On<v1::ListDeliveriesRequest, v1::ListDeliveriesResponse>(
        std::string(kService) + "ListDeliveries", [this](const auto& request, auto& response) {
          filter_ = request;
          for (const uint64_t id : {1, 2, 3}) *response.add_deliveries() = MakeDelivery(id);
          return absl::OkStatus();
        });
    services.On<v1::GetDeliveryRequest, v1::GetDeliveryResponse>(
        std::string(kService) + "GetDelivery", [](const auto& request, auto& response) {
          if (request.delivery_id() > 3) return absl::NotFoundError("no such delivery");
          *response.mutable_delivery() = MakeDelivery(request.delivery_id());
          return absl::OkStatus();
        });
    services.On<v1::UpdateDeliveryRequest, v1::UpdateDeliveryResponse>(
        std::string(kService) + "UpdateDelivery", [this](const auto& request, auto&) {
          if (request.delivery_id() > 3) return absl::NotFoundError("no such delivery");
          if (request.delivery_id() == 3) return absl::FailedPreconditionError("leased");
          changes_[request.delivery_id()] = request;
          return absl::OkStatus();
        });
    services.OnStream<v1::ReadContentRequest, v1::ReadContentResponse>(
        std::string(kService) + "ReadContent", [](const auto&, auto& responses) {
          responses.emplace_back().set_data("Subject: \x1b]0;x\r");
          responses.emplace_back().set_data("\n\r\nBody\r\n");
          return absl::OkStatus();
        });
  }

  std::set<uint64_t> Changed() const {
    std::set<uint64_t> ids;
    for (const auto& [id, change] : changes_) ids.insert(id);
    return ids;
  }

  Program program_;
  v1::ListDeliveriesRequest filter_;
  std::map<uint64_t, v1::UpdateDeliveryRequest> changes_;
};

TEST_F(MessagesTest, ListIsSafeForATerminalAndPassesFiltersOn) {
  const auto result =
      program_.Run({"messages", "--queue", "remote/Example.org", "--sender", "@example.net",
                    "--recipient", "bob@example.org", "--state", "deferred", "--unknown"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("<bob\\x1b[2J@example.org>"));
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(filter_.queue().name(), "example.org");
  EXPECT_EQ(filter_.sender(), "@example.net");
  EXPECT_EQ(filter_.recipient(), "bob@example.org");
  EXPECT_EQ(filter_.state(), v1::DELIVERY_STATE_DEFERRED);
  EXPECT_TRUE(filter_.outcome_unknown());
}

TEST_F(MessagesTest, DescribeSaysWhyItWaits) {
  const auto result = program_.Run({"message", "describe", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mx.example.org [192.0.2.1]:25 answered `450 busy`"));
  EXPECT_THAT(program_.Run({"message", "describe", "1", "-o", "json"}).out,
              HasSubstr("\"why\": \"Waits for its next attempt."));
  EXPECT_EQ(program_.Run({"message", "describe", "4"}).code, 3);
}

TEST_F(MessagesTest, DescribeNamesTheRecipientOfEachAnswer) {
  const auto alone = program_.Run({"message", "describe", "1"});
  EXPECT_THAT(alone.out, HasSubstr("RECIPIENT                 OUTCOME"));
  EXPECT_THAT(alone.out, HasSubstr("  <bob\\x1b[2J@example.org>  -        mx.example.org"));
  // The first and the third of a message are left, and only the third has an answer.
  program_.services().On<v1::GetDeliveryRequest, v1::GetDeliveryResponse>(
      std::string(kService) + "GetDelivery", [](const auto& request, auto& response) {
        v1::Delivery& delivery = *response.mutable_delivery() = MakeDelivery(request.delivery_id());
        delivery.add_recipients()->set_address("carol@example.org");
        delivery.mutable_last_outcomes(0)->set_index(2);
        return absl::OkStatus();
      });
  EXPECT_THAT(program_.Run({"message", "describe", "1", "-o", "json"}).out,
              HasSubstr("\"recipient\": null"));
}

TEST_F(MessagesTest, DescribeOfHeldMailSaysThatItsGatewayIsSuspended) {
  program_.services().On<v1::GetDeliveryRequest, v1::GetDeliveryResponse>(
      std::string(kService) + "GetDelivery", [](const auto& request, auto& response) {
        v1::Delivery& delivery = *response.mutable_delivery() = MakeDelivery(request.delivery_id());
        delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
        delivery.set_state(v1::DELIVERY_STATE_HELD);
        return absl::OkStatus();
      });
  // Nobody answers for gateways: the rest is said all the same.
  EXPECT_THAT(program_.Run({"message", "describe", "1"}).out,
              HasSubstr("or an operator releases it. It"));
  program_.services().On<dequeue::v1::GetGatewayRequest, dequeue::v1::GetGatewayResponse>(
      "turnpike.dequeue.v1.DequeueService.GetGateway", [](const auto& request, auto& response) {
        EXPECT_EQ(request.domain(), "example.org");
        response.mutable_gateway()->set_suspended(true);
        response.mutable_gateway()->set_suspend_reason("line is down");
        return absl::OkStatus();
      });
  EXPECT_THAT(program_.Run({"message", "describe", "1"}).out,
              HasSubstr("releases it; the gateway is suspended (line is down). It"));
}

TEST_F(MessagesTest, MessageIdStandsForAllItsDeliveries) {
  EXPECT_EQ(program_.Run({"message", "describe", kUuid, "-o", "name"}).out, "1\n2\n");
  const auto result = program_.Run({"message", "describe", "03030303-0303-0303-0303-030303030303"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("is not in the spool"));
}

TEST_F(MessagesTest, CatGivesEveryOctetUnlessATerminalReadsThem) {
  EXPECT_EQ(program_.Run({"message", "cat", "1"}).out, "Subject: \x1b]0;x\r\n\r\nBody\r\n");
  EXPECT_EQ(program_.Run({"message", "cat", "1", "--headers"}).out, "Subject: \x1b]0;x\r\n\r\n");
  EXPECT_EQ(program_.Run({"message", "cat", "1"}, {.out_is_terminal = true}).out,
            "Subject: \\x1b]0;x\n\nBody\n");
}

TEST_F(MessagesTest, EveryChangeIsHandedOn) {
  EXPECT_EQ(program_.Run({"message", "retry", "1"}).out, "1 delivery made due\n");
  EXPECT_TRUE(changes_[1].make_due());
  EXPECT_EQ(program_.Run({"message", "hold", "1", "2"}).out, "2 deliveries held\n");
  EXPECT_TRUE(changes_[2].hold());
  EXPECT_NE(changes_[1].request_id(), changes_[2].request_id());
  EXPECT_EQ(program_.Run({"message", "reroute", "1", "--to", "192.0.2.7:26"}).out,
            "1 delivery rerouted to 192.0.2.7:26\n");
  EXPECT_EQ(changes_[1].reroute().address(), "192.0.2.7");
  EXPECT_EQ(program_.Run({"message", "reroute", "1", "--to-queue", "remote/b.example"}).out,
            "1 delivery moved to remote/b.example\n");
  EXPECT_EQ(changes_[1].move_to().name(), "b.example");
  EXPECT_EQ(program_.Run({"message", "return", "1", "--reason", "wrong address"}).out,
            "1 delivery set to be returned to the sender\n");
  EXPECT_EQ(changes_[1].return_to_sender().code(), 550);
  EXPECT_EQ(changes_[1].return_to_sender().text(), "wrong address");
  EXPECT_EQ(program_.Run({"message", "delete", "1"}).out, "1 delivery deleted\n");
  EXPECT_TRUE(changes_[1].delete_());
}

TEST_F(MessagesTest, IdsAreTextsForProgramsAndBareForCommands) {
  EXPECT_THAT(program_.Run({"messages", "-o", "json"}).out, HasSubstr("\"delivery_id\": \"3\""));
  EXPECT_THAT(program_.Run({"messages", "-o", "yaml"}).out, HasSubstr("delivery_id: \"3\"\n"));
  EXPECT_EQ(program_.Run({"messages", "-o", "name"}).out, "1\n2\n3\n");
}

TEST_F(MessagesTest, RerouteNeedsOnePlace) {
  EXPECT_EQ(program_.Run({"message", "reroute", "1"}).code, 2);
  EXPECT_EQ(
      program_
          .Run({"message", "reroute", "1", "--to", "a.example", "--to-queue", "remote/b.example"})
          .code,
      2);
}

TEST_F(MessagesTest, IdsComeFromStandardInput) {
  const auto result = program_.Run({"message", "retry", "-"}, {.in = "1\n\n 2\n"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Changed(), (std::set<uint64_t>{1, 2}));
  const auto wrong = program_.Run({"message", "retry", "-"}, {.in = "1 x\x1b\n"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("`x\\x1b` is no id"));
}

TEST_F(MessagesTest, SomeThatFailMakeItPartlyDone) {
  const auto result = program_.Run({"message", "retry", "1", "3"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "1 delivery made due\n");
  EXPECT_THAT(result.err, HasSubstr("turnpikectl: delivery 3: leased"));
  const auto none = program_.Run({"message", "retry", "3"});
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(program_.Run({"message", "retry", "9"}).code, 3);
}

TEST_F(MessagesTest, ProgramsGetAResultForEach) {
  const auto result = program_.Run({"message", "retry", "1", "3", "-o", "jsonl"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.out,
              StartsWith("{\"delivery_id\":\"1\",\"result\":\"made due\",\"error\":null}\n"
                         "{\"delivery_id\":\"3\",\"result\":\"failed\",\"error\":\"leased"));
}

TEST_F(MessagesTest, NothingSaidIsNotEverything) {
  EXPECT_EQ(program_.Run({"message", "delete", "--yes"}).code, 2);
  EXPECT_EQ(program_.Run({"message", "delete", "1", "--sender", "a@b.example"}).code, 2);
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(program_.Run({"message", "retry", "--all"}).code, 4);
  EXPECT_EQ(Changed(), (std::set<uint64_t>{1, 2}));
}

TEST_F(MessagesTest, DeletingManyAsks) {
  const auto refused = program_.Run({"message", "delete", "1", "2"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.err,
            "turnpikectl: 2 deliveries would be deleted. Nothing was done, as there is no terminal "
            "to ask at: repeat it with --yes\n");
  const auto asked =
      program_.Run({"message", "return", "1", "2"}, {.in = "n\n", .in_is_terminal = true});
  EXPECT_EQ(asked.code, 1);
  EXPECT_THAT(asked.err, StartsWith("Return to the sender 2 deliveries? [y/N] "));
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(
      program_.Run({"message", "delete", "1", "2"}, {.in = "y\n", .in_is_terminal = true}).code, 0);
  EXPECT_EQ(Changed(), (std::set<uint64_t>{1, 2}));
}

TEST_F(MessagesTest, DryRunChangesNothing) {
  EXPECT_EQ(program_.Run({"message", "delete", "--sender", "a@b.example", "--dry-run"}).out,
            "3 deliveries would be deleted\n");
  EXPECT_EQ(program_.Run({"queue", "delete", "remote/example.org", "--dry-run", "-o", "name"}).out,
            "1\n2\n3\n");
  EXPECT_TRUE(changes_.empty());
}

TEST_F(MessagesTest, QueueVerbsChangeAllThatItHas) {
  const auto result = program_.Run({"queue", "return", "remote/example.org", "--yes"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "2 deliveries set to be returned to the sender\n");
  EXPECT_EQ(filter_.queue().name(), "example.org");
  EXPECT_EQ(program_.Run({"queue", "hold", "remote/example.org"}).code, 4);
  EXPECT_TRUE(changes_[1].hold());
}

TEST_F(MessagesTest, QueuesAreListedDescribedAndReleased) {
  FakeServices& services = program_.services();
  v1::QueueKind kind = v1::QUEUE_KIND_UNSPECIFIED;
  services.On<v1::ListQueuesRequest, v1::ListQueuesResponse>(
      std::string(kService) + "ListQueues", [&kind](const auto& request, auto& response) {
        kind = request.kind();
        v1::QueueStats* stats = response.add_queues();
        stats->mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
        stats->mutable_queue()->set_name("customer.example");
        stats->set_held(4);
        stats->mutable_route()->set_address("192.0.2.1");
        return absl::OkStatus();
      });
  services.On<v1::GetQueueRequest, v1::GetQueueResponse>(
      std::string(kService) + "GetQueue", [](const auto&, auto&) { return absl::OkStatus(); });
  v1::ReleaseQueueRequest release;
  services.On<v1::ReleaseQueueRequest, v1::ReleaseQueueResponse>(
      std::string(kService) + "ReleaseQueue", [&release](const auto& request, auto& response) {
        release = request;
        response.set_released(4);
        return absl::OkStatus();
      });
  const auto listed = program_.Run({"queues", "--kind", "gateway", "-o", "wide"});
  EXPECT_THAT(listed.out, HasSubstr("gateway/customer.example     4"));
  EXPECT_THAT(listed.out, HasSubstr("192.0.2.1"));
  EXPECT_EQ(kind, v1::QUEUE_KIND_GATEWAY);
  EXPECT_THAT(program_.Run({"queue", "describe", "remote/new.example"}).out,
              HasSubstr("Queue:         remote/new.example\n"));
  EXPECT_EQ(program_.Run({"queue", "release", "gateway/customer.example"}).out,
            "gateway/customer.example: 4 released\n");
  EXPECT_FALSE(release.has_route());
  EXPECT_FALSE(release.request_id().empty());
}

}  // namespace
}  // namespace turnpike::ctl
