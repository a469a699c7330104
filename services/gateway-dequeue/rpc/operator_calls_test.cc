#include "services/gateway-dequeue/rpc/operator_calls.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/gateway-dequeue/rpc/etrn_call.h"
#include "services/gateway-dequeue/rpc/gateway_reports.h"
#include "services/gateway-dequeue/rpc/test_parts.h"
#include "services/spool-store/client/fake_shared_state.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::dequeue {
namespace {

constexpr v1::AccessList kHonor = v1::ACCESS_LIST_HONOR;
constexpr v1::AccessList kIgnore = v1::ACCESS_LIST_IGNORE;

config::v1::Config MakeConfig() {
  config::v1::Config config;
  for (const char* domain : {"a.example", "c.example"}) {
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain(domain);
    gateway->mutable_etrn()->set_enabled(true);
    gateway->mutable_etrn()->set_deliver_to("requesting_host");
  }
  config.mutable_gateways(1)->mutable_etrn()->set_deliver_to("mx.c.example");
  config.mutable_gateways(1)->mutable_access()->add_ignore_from("192.0.2.0/24");
  return config;
}

// Two replicas over one store. What a call came to is its status code's name.
class OperatorCallsTest : public ::testing::Test {
 protected:
  static std::string Name(const absl::Status& status) {
    return absl::StatusCodeToString(status.code());
  }
  StatusCallback Keep() {
    return [this](absl::Status status) { result_ = Name(status); };
  }
  std::string Suspend(TestParts& replica, const std::string& reason) {
    v1::SuspendGatewayRequest request;
    request.set_reason(reason);
    dequeue::Suspend(replica.parts(), replica.gateway("a.example"), request, absl::InfiniteFuture(),
                     Keep());
    return result_;
  }
  std::string Resume(TestParts& replica) {
    dequeue::Resume(replica.parts(), replica.gateway("a.example"), absl::InfiniteFuture(), Keep());
    return result_;
  }
  std::string Add(v1::AccessList list, const std::string& network,
                  const std::string& domain = "a.example") {
    v1::AddAccessEntryRequest request;
    request.set_list(list);
    request.set_network(network);
    AddAccess(one_.parts(), one_.gateway(domain), request, absl::InfiniteFuture(), Keep());
    return result_;
  }
  std::string Remove(TestParts& replica, v1::AccessList list, const std::string& network,
                     const std::string& domain = "a.example") {
    v1::RemoveAccessEntryRequest request;
    request.set_list(list);
    request.set_network(network);
    RemoveAccess(replica.parts(), replica.gateway(domain), request, absl::InfiniteFuture(), Keep());
    return result_;
  }
  std::string Release(const std::string& domain, const v1::ReleaseGatewayRequest& request) {
    ReleaseByOperator(one_.parts(), one_.gateway(domain), request, absl::InfiniteFuture(),
                      [this](absl::StatusOr<v1::ReleaseGatewayResponse> response) {
                        result_ = Name(response.status());
                        if (response.ok()) released_ = response->released();
                      });
    return result_;
  }
  static v1::ReleaseGatewayRequest To(const std::string& address) {
    v1::ReleaseGatewayRequest request;
    request.mutable_target()->set_address(address);
    return request;
  }

  // The code of the reply to an ETRN of a.example.
  int Etrn(TestParts& replica) {
    v1::RequestEtrnRequest request;
    request.mutable_asker()->set_client_address("198.51.100.1");
    request.set_form(v1::ETRN_FORM_NODE);
    request.set_name("a.example");
    int code = 0;
    AnswerEtrn(replica.parts(), request, absl::InfiniteFuture(),
               [&code](v1::RequestEtrnResponse response) { code = response.reply().code(); });
    return code;
  }
  v1::Gateway Report(const std::string& domain = "a.example") {
    v1::Gateway report;
    ReportGateways({one_.gateway(domain)}, one_.parts(), absl::InfiniteFuture(),
                   [&report](absl::StatusOr<std::vector<v1::Gateway>> reports) {
                     ASSERT_TRUE(reports.ok()) << reports.status();
                     report = reports->front();
                   });
    return report;
  }
  static void WaitUntilKnownEverywhere() { absl::SleepFor(absl::Milliseconds(20)); }

  std::string result_;
  int64_t released_ = -1;
  spool::FakeSpool spool_;
  spool::FakeSharedState state_;
  TestParts one_{MakeConfig(), spool_, state_};
  TestParts two_{MakeConfig(), spool_, state_};
};

// [DQ-42]
TEST_F(OperatorCallsTest, AccessEntriesCountAtOnceHereAndSoonEverywhere) {
  EXPECT_EQ(Etrn(one_), 251);
  EXPECT_EQ(Add(kIgnore, "198.51.100.1"), "OK");
  EXPECT_EQ(Add(kIgnore, "198.51.100.1/32"), "OK");
  EXPECT_EQ(Etrn(one_), 459);
  WaitUntilKnownEverywhere();
  EXPECT_EQ(Etrn(two_), 459);
  ASSERT_EQ(Report().access_size(), 1);
  EXPECT_EQ(Report().access(0).network(), "198.51.100.1/32");
  EXPECT_TRUE(Report().access(0).has_add_time());
  EXPECT_EQ(Remove(two_, kIgnore, "::ffff:198.51.100.1"), "OK");
  EXPECT_EQ(Etrn(two_), 251);
  EXPECT_EQ(Report().access_size(), 0);
}

TEST_F(OperatorCallsTest, AccessEntriesThatCannotBeAreRefused) {
  EXPECT_EQ(Add(kHonor, "192.0.2.1/33"), "INVALID_ARGUMENT");
  EXPECT_EQ(Add(v1::ACCESS_LIST_UNSPECIFIED, "192.0.2.1"), "INVALID_ARGUMENT");
  EXPECT_EQ(Remove(one_, kHonor, "192.0.2.1"), "NOT_FOUND");
  EXPECT_EQ(Remove(one_, kHonor, "nonsense"), "INVALID_ARGUMENT");
  state_.SetStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Add(kHonor, "192.0.2.1"), "UNAVAILABLE");
  EXPECT_EQ(Remove(one_, kHonor, "192.0.2.1"), "UNAVAILABLE");
}

TEST_F(OperatorCallsTest, EntriesOfTheConfigurationStay) {
  EXPECT_EQ(Add(kIgnore, "192.0.2.0/24", "c.example"), "OK");
  EXPECT_EQ(Report("c.example").access_size(), 1);
  EXPECT_EQ(Remove(one_, kIgnore, "192.0.2.0/24", "c.example"), "FAILED_PRECONDITION");
}

TEST_F(OperatorCallsTest, AGatewayHasSoManyAddedEntriesAndNoMore) {
  for (int i = 0; i < kAccessEntriesMax; ++i) {
    ASSERT_EQ(Add(kHonor, absl::StrCat("10.0.", i / 250, ".", i % 250)), "OK");
  }
  EXPECT_EQ(Add(kHonor, "10.1.0.0"), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(Add(kHonor, "10.0.0.0"), "OK");  // is there
  EXPECT_TRUE(
      absl::StrContains(one_.MetricsText(), "turnpike_dequeue_access_entries_limit_hits_total 1"));
}

// [DQ-61]
TEST_F(OperatorCallsTest, SuspendedGatewayIsRefusedEverywhereUntilItIsResumed) {
  EXPECT_EQ(Suspend(one_, "unpaid"), "OK");
  EXPECT_EQ(Etrn(one_), 458);
  WaitUntilKnownEverywhere();
  EXPECT_EQ(Etrn(two_), 458);
  EXPECT_TRUE(spool_.releases().empty());
  const v1::Gateway state = Report();
  EXPECT_TRUE(state.suspended());
  EXPECT_EQ(state.suspend_reason(), "unpaid");
  // Again: the time stays.
  EXPECT_EQ(Suspend(two_, "still unpaid"), "OK");
  EXPECT_EQ(Report().suspend_time().nanos(), state.suspend_time().nanos());
  EXPECT_EQ(Report().suspend_reason(), "still unpaid");
  EXPECT_EQ(Resume(two_), "OK");
  EXPECT_EQ(Resume(two_), "OK");
  EXPECT_EQ(Etrn(two_), 251);
  EXPECT_FALSE(Report().suspended());
  EXPECT_EQ(Suspend(one_, std::string(kSuspendReasonBytesMax + 1, 'x')), "INVALID_ARGUMENT");
}

TEST_F(OperatorCallsTest, ReleaseGoesWhereTheOperatorOrTheGatewaySays) {
  EXPECT_EQ(Release("a.example", {}), "FAILED_PRECONDITION");
  EXPECT_EQ(Release("a.example", To("nonsense")), "INVALID_ARGUMENT");
  v1::ReleaseGatewayRequest bad_port = To("192.0.2.1");
  bad_port.mutable_target()->set_port(65536);
  EXPECT_EQ(Release("a.example", bad_port), "INVALID_ARGUMENT");
  v1::ReleaseGatewayRequest nowhere;
  nowhere.mutable_target()->set_port(25);
  EXPECT_EQ(Release("a.example", nowhere), "INVALID_ARGUMENT");
  EXPECT_TRUE(spool_.releases().empty());
  EXPECT_EQ(Release("a.example", To("192.0.2.1")), "OK");
  EXPECT_EQ(released_, 0);
  EXPECT_EQ(spool_.releases().back().route().address(), "192.0.2.1");
  EXPECT_EQ(Release("c.example", {}), "OK");
  EXPECT_EQ(spool_.releases().back().route().domain(), "mx.c.example");
  EXPECT_EQ(Report("c.example").last_request().protocol(), "operator");
}

TEST_F(OperatorCallsTest, NothingIsReleasedWhileSuspended) {
  EXPECT_EQ(Suspend(one_, ""), "OK");
  EXPECT_EQ(Release("a.example", To("192.0.2.1")), "FAILED_PRECONDITION");
  EXPECT_TRUE(spool_.releases().empty());
}

}  // namespace
}  // namespace turnpike::dequeue
