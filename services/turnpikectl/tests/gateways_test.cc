// gateways, gateway ..., collections, requests. (DQ-42, DQ-52, DQ-60, DQ-61)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/turnpikectl/testing/program.h"

namespace turnpike::ctl {
namespace {

using testing::HasSubstr;
namespace v1 = dequeue::v1;

constexpr char kService[] = "turnpike.dequeue.v1.DequeueService.";

v1::Gateway Customer() {
  v1::Gateway gateway;
  gateway.set_domain("customer.example");
  gateway.mutable_queue()->set_held(12);
  gateway.mutable_queue()->set_bytes(4096);
  gateway.mutable_queue()->mutable_oldest_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) -
                                                              3 * 3600 - 60);
  gateway.mutable_last_request()->set_protocol("atrn");
  gateway.mutable_last_request()->set_client_address("192.0.2.9");
  gateway.mutable_last_request()->mutable_reply()->set_code(250);
  gateway.mutable_last_request()->set_ending(v1::ATRN_ENDING_COMPLETED);
  gateway.mutable_last_request()->mutable_request_time()->set_seconds(1'700'000'000);
  gateway.add_running_sessions()->set_session_id("s1");
  v1::AccessEntry* entry = gateway.add_access();
  entry->set_list(v1::ACCESS_LIST_HONOR);
  entry->set_network("192.0.2.0/24");
  entry->set_configured(true);
  return gateway;
}

class GatewaysTest : public testing::Test {
 protected:
  GatewaysTest() {
    program_.services().On<v1::ListGatewaysRequest, v1::ListGatewaysResponse>(
        std::string(kService) + "ListGateways", [](const auto& request, auto& response) {
          // Two pages.
          if (request.page_token().empty()) {
            *response.add_gateways() = Customer();
            response.set_next_page_token("second");
          } else {
            v1::Gateway* other = response.add_gateways();
            other->set_domain("other.example");
            other->mutable_queue();
          }
          return absl::OkStatus();
        });
    program_.services().On<v1::GetGatewayRequest, v1::GetGatewayResponse>(
        std::string(kService) + "GetGateway", [](const auto& request, auto& response) {
          if (request.domain() != "customer.example") {
            return absl::NotFoundError("no gateway has this domain");
          }
          *response.mutable_gateway() = Customer();
          return absl::OkStatus();
        });
  }

  // Answers a method, and keeps what it was asked.
  template <typename Request, typename Response>
  void Answer(const std::string& method, Response answer, Request* request) {
    program_.services().On<Request, Response>(kService + method,
                                              [=](const Request& got, Response& response) {
                                                *request = got;
                                                response = answer;
                                                return absl::OkStatus();
                                              });
  }

  Program program_;
};

TEST_F(GatewaysTest, TableShowsWhatIsHeldItsAgeAndTheLastRequest) {
  const auto result = program_.Run({"gateways"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("GATEWAY           HELD   BYTES  OLDEST"));
  EXPECT_THAT(result.out, HasSubstr("customer.example    12  4.0KiB    3h1m"));
  EXPECT_THAT(result.out, HasSubstr("192.0.2.9"));
  EXPECT_THAT(result.out, HasSubstr("other.example        0"));
}

TEST_F(GatewaysTest, AllPagesAreListedAndAllFieldsAreInJsonLines) {
  const auto result = program_.Run({"gateway", "list", "-o", "jsonl"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(R"({"domain":"customer.example","aliases":[],"queue":{)"));
  EXPECT_THAT(result.out, HasSubstr(R"("request_time":"2023-11-14T22:13:20Z")"));
  EXPECT_THAT(result.out, HasSubstr("\n{\"domain\":\"other.example\""));
}

TEST_F(GatewaysTest, LimitIsKeptAndSaid) {
  const auto result = program_.Run({"gateways", "--limit", "1", "-o", "name"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "customer.example\n");
  EXPECT_THAT(result.err, HasSubstr("--limit 0 shows all"));
}

TEST_F(GatewaysTest, DescribeShowsSessionsAndAccess) {
  const auto result = program_.Run({"gateway", "describe", "customer.example"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Gateway:          customer.example\n"));
  EXPECT_THAT(result.out, HasSubstr("Running sessions:\n  SESSION"));
  EXPECT_THAT(result.out, HasSubstr("honor  192.0.2.0/24  yes"));
  EXPECT_THAT(result.out, HasSubstr("Most messages:    no limit\n"));
  EXPECT_THAT(result.out, HasSubstr("Most bytes:       no limit\n"));
}

TEST_F(GatewaysTest, UnknownGatewayIsNotFound) {
  const auto result = program_.Run({"gateway", "describe", "nobody.example"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "turnpikectl: no gateway has this domain (gateway-dequeue at " +
                            program_.services().address() + ")\n");
}

TEST_F(GatewaysTest, ReleaseSaysHowManyAndHandsOnTheTarget) {
  v1::ReleaseGatewayRequest request;
  v1::ReleaseGatewayResponse response;
  response.set_released(12);
  response.set_pending(3);
  Answer("ReleaseGateway", response, &request);
  const auto result =
      program_.Run({"gateway", "release", "customer.example", "--to", "[mx.example.org]:2525"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "customer.example: 12 released, 3 released before are due again\n");
  EXPECT_EQ(request.domain(), "customer.example");
  EXPECT_EQ(request.target().host(), "mx.example.org");
  EXPECT_EQ(request.target().port(), 2525);
  EXPECT_EQ(program_.Run({"gateway", "release", "customer.example"}).code, 0);
  EXPECT_FALSE(request.has_target());
}

TEST_F(GatewaysTest, ReleaseWithoutAPlaceSaysHowToNameOne) {
  program_.services().On<v1::ReleaseGatewayRequest, v1::ReleaseGatewayResponse>(
      std::string(kService) + "ReleaseGateway", [](const auto& request, auto&) {
        return absl::FailedPreconditionError(
            request.has_target() ? "customer.example is suspended; resume it first"
                                 : "etrn.deliver_to is `requesting_host`, so a target is needed");
      });
  const auto aimless = program_.Run({"gateway", "release", "customer.example"});
  EXPECT_EQ(aimless.code, 1);
  EXPECT_EQ(aimless.err,
            "turnpikectl: etrn.deliver_to of customer.example is `requesting_host`: say with --to "
            "where its mail goes\n");
  const auto suspended =
      program_.Run({"gateway", "release", "customer.example", "--to", "192.0.2.1"});
  EXPECT_THAT(suspended.err, HasSubstr("is suspended; resume it first"));
}

TEST_F(GatewaysTest, WrongTargetIsNotSent) {
  const auto result = program_.Run({"gateway", "release", "customer.example", "--to", "a b"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("`a b` says no place to deliver to"));
}

TEST_F(GatewaysTest, SuspendAndResumeAreHandedOn) {
  v1::SuspendGatewayRequest suspend;
  v1::ResumeGatewayRequest resume;
  v1::SuspendGatewayResponse suspended;
  v1::ResumeGatewayResponse resumed;
  suspended.mutable_gateway()->set_suspended(true);
  Answer("SuspendGateway", suspended, &suspend);
  Answer("ResumeGateway", resumed, &resume);
  EXPECT_EQ(program_.Run({"gateway", "suspend", "a.example", "--reason", "moving"}).out,
            "a.example: suspended; its mail waits until it is resumed\n");
  EXPECT_EQ(suspend.reason(), "moving");
  EXPECT_EQ(program_.Run({"gateway", "resume", "a.example"}).out, "a.example: resumed\n");
  EXPECT_EQ(resume.domain(), "a.example");
  EXPECT_THAT(program_.Run({"gateway", "suspend", "a.example", "-o", "yaml"}).out,
              HasSubstr("suspended: true\n"));
}

TEST_F(GatewaysTest, AccessIsListedAddedAndRemoved) {
  v1::AddAccessEntryRequest add;
  v1::RemoveAccessEntryRequest remove;
  Answer("AddAccessEntry", v1::AddAccessEntryResponse(), &add);
  Answer("RemoveAccessEntry", v1::RemoveAccessEntryResponse(), &remove);
  EXPECT_EQ(program_.Run({"gateway", "access", "list", "customer.example", "-o", "name"}).out,
            "192.0.2.0/24\n");
  EXPECT_EQ(program_.Run({"gateway", "access", "add", "a.example", "ignore", "2001:db8::/32"}).out,
            "a.example: 2001:db8::/32 is on the ignore list\n");
  EXPECT_EQ(add.list(), v1::ACCESS_LIST_IGNORE);
  EXPECT_EQ(program_.Run({"gateway", "access", "remove", "a.example", "honor", "192.0.2.1"}).out,
            "a.example: 192.0.2.1 is no longer on the honor list\n");
  EXPECT_EQ(remove.list(), v1::ACCESS_LIST_HONOR);
  EXPECT_EQ(remove.network(), "192.0.2.1");
}

TEST_F(GatewaysTest, CollectionsAndRequestsAreListed) {
  program_.services().On<v1::ListCollectionsRequest, v1::ListCollectionsResponse>(
      std::string(kService) + "ListCollections", [](const auto&, auto& response) {
        v1::CollectionState* collection = response.add_collections();
        collection->set_name("provider");
        collection->set_host("odmr.example.net");
        collection->mutable_last_run()->set_ending(v1::RUN_ENDING_AUTH_FAILED);
        return absl::OkStatus();
      });
  program_.services().On<v1::ListRequestsRequest, v1::ListRequestsResponse>(
      std::string(kService) + "ListRequests", [](const auto&, auto& response) {
        response.add_requests()->set_name("upstream");
        return absl::OkStatus();
      });
  EXPECT_THAT(program_.Run({"collections"}).out,
              HasSubstr("provider  odmr.example.net  no          -  auth_failed"));
  EXPECT_EQ(program_.Run({"requests", "-o", "name"}).out, "upstream\n");
}

TEST_F(GatewaysTest, CollectNowTellsHowItEnded) {
  v1::CollectNowRequest request;
  v1::CollectNowResponse response;
  response.mutable_run()->set_ending(v1::RUN_ENDING_COMPLETED);
  response.mutable_run()->set_messages(5);
  Answer("CollectNow", response, &request);
  auto result = program_.Run({"collect", "now", "provider"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Messages:  5\n"));
  EXPECT_EQ(request.name(), "provider");

  response.mutable_run()->set_ending(v1::RUN_ENDING_AUTH_FAILED);
  Answer("CollectNow", response, &request);
  result = program_.Run({"collect", "now", "provider"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("auth_failed"));
  EXPECT_THAT(result.err, HasSubstr("provider ended with auth_failed; look at its `auth`"));

  response.mutable_run()->set_ending(v1::RUN_ENDING_UNREACHABLE);
  Answer("CollectNow", response, &request);
  EXPECT_EQ(program_.Run({"collect", "now", "provider"}).code, 5);
}

TEST_F(GatewaysTest, RequestNowShowsTheReplies) {
  v1::RequestNowRequest request;
  v1::RequestNowResponse response;
  response.mutable_run()->set_ending(v1::RUN_ENDING_COMPLETED);
  v1::RequestReply* reply = response.add_replies();
  reply->set_domain("@example.org");
  reply->mutable_reply()->set_code(253);
  reply->mutable_reply()->set_text("4 messages waiting");
  Answer("RequestNow", response, &request);
  const auto result = program_.Run({"request", "now", "upstream"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  @example.org  253 4 messages waiting\n"));
}

}  // namespace
}  // namespace turnpike::ctl
