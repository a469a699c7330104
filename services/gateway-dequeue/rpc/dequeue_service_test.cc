#include "services/gateway-dequeue/rpc/dequeue_service.h"

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/gateway-dequeue/client/rpc_dequeue.h"
#include "services/gateway-dequeue/rpc/suspension_watch.h"
#include "services/gateway-dequeue/rpc/test_parts.h"
#include "services/spool-store/client/fake_shared_state.h"
#include "services/spool-store/client/fake_spool.h"

namespace turnpike::dequeue {
namespace {

config::v1::Config MakeConfig() {
  config::v1::Config config;
  for (const char* domain : {"a.example", "b.example", "c.example"}) {
    config::v1::Gateway* gateway = config.add_gateways();
    gateway->set_domain(domain);
    gateway->mutable_etrn()->set_enabled(true);
    gateway->mutable_etrn()->set_require_auth(true);
    gateway->mutable_etrn()->set_deliver_to("requesting_host");
    gateway->mutable_etrn()->set_port(25);
    gateway->mutable_atrn()->set_enabled(true);
    gateway->mutable_atrn()->set_single_session(std::string(domain) != "b.example");
  }
  config.mutable_gateways(0)->add_aliases("alias.example");
  config.mutable_gateways(2)->mutable_atrn()->mutable_min_interval()->set_seconds(3600);
  config.mutable_gateways(2)->mutable_etrn()->set_deliver_to("mx.c.example");
  config.mutable_gateways(2)->mutable_access()->add_ignore_from("192.0.2.0/24");
  config.mutable_gateways(2)->mutable_hold()->set_max_messages(7);
  return config;
}

// What a session was told, as text, in order.
class Listener : public AtrnSession::Handler {
 public:
  void OnResponse(v1::RunAtrnResponse response) override {
    absl::MutexLock lock(&mu_);
    last_ = response;
    events_.push_back(response.has_grant()     ? "grant"
                      : response.has_refusal() ? absl::StrCat(response.refusal().code())
                                               : "revoke");
  }
  void OnClosed(absl::Status status) override {
    absl::MutexLock lock(&mu_);
    events_.push_back(absl::StrCat("closed ", absl::StatusCodeToString(status.code())));
  }

  // The next event.
  std::string Next() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &Listener::HasEvent));
    std::string event = events_.front();
    events_.pop_front();
    return event;
  }
  v1::RunAtrnResponse last() {
    absl::MutexLock lock(&mu_);
    return last_;
  }

 private:
  bool HasEvent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !events_.empty(); }

  absl::Mutex mu_;
  std::deque<std::string> events_ ABSL_GUARDED_BY(mu_);
  v1::RunAtrnResponse last_ ABSL_GUARDED_BY(mu_);
};

// One running gateway-dequeue over a store that it shares with others.
class Replica {
 public:
  Replica(spool::Spool& spool, spool::SharedState& state)
      : parts_(MakeConfig(), spool, state),
        service_(parts_.parts()),
        watch_(std::in_place, parts_.parts(), service_,
               SuspensionWatch::Options{.interval = absl::Milliseconds(10)}) {
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0"}, {&service_});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = rpc::CreateChannel(server_->address());
    client_ = std::make_unique<RpcDequeue>(channel_);
    stub_ = v1::DequeueService::NewStub(channel_);
  }
  ~Replica() {
    watch_.reset();
    server_->Shutdown(absl::Now());
  }

  RpcDequeue& client() { return *client_; }
  v1::DequeueService::Stub& stub() { return *stub_; }
  DequeueService& service() { return service_; }
  std::string MetricsText() const { return parts_.MetricsText(); }

 private:
  TestParts parts_;
  DequeueService service_;
  std::optional<SuspensionWatch> watch_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<RpcDequeue> client_;
  std::unique_ptr<v1::DequeueService::Stub> stub_;
};

class DequeueServiceTest : public ::testing::Test {
 protected:
  void Hold(const std::string& domain) {
    spool::v1::NewMessage message;
    message.set_message_id(std::string(15, '\0') + static_cast<char>(++messages_));
    message.set_inline_content("content");
    message.set_content_bytes(7);
    spool::v1::NewDelivery* delivery = message.add_deliveries();
    delivery->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
    delivery->mutable_queue()->set_name(domain);
    delivery->add_recipients()->set_address(absl::StrCat("any@", domain));
    delivery->set_hold(true);
    spool_.Enqueue(std::move(message), absl::InfiniteFuture(),
                   [](absl::Status status) { EXPECT_TRUE(status.ok()) << status; });
  }

  static v1::Asker Asker(const std::string& login) {
    v1::Asker asker;
    asker.set_session_id("session");
    asker.set_client_address("198.51.100.1");
    asker.set_gateway_login(login);
    return asker;
  }

  v1::RequestEtrnResponse Etrn(const std::string& login, const std::string& name) {
    v1::RequestEtrnRequest request;
    *request.mutable_asker() = Asker(login);
    request.set_form(v1::ETRN_FORM_NODE);
    request.set_name(name);
    v1::RequestEtrnResponse result;
    absl::Notification done;
    one_.client().RequestEtrn(request, absl::Now() + absl::Seconds(20),
                              [&](absl::StatusOr<v1::RequestEtrnResponse> response) {
                                EXPECT_TRUE(response.ok()) << response.status();
                                if (response.ok()) result = *response;
                                done.Notify();
                              });
    done.WaitForNotification();
    return result;
  }

  struct Session {
    std::shared_ptr<Listener> listener = std::make_shared<Listener>();
    std::unique_ptr<AtrnSession> session;
  };
  static Session Atrn(Replica& replica, const std::string& login,
                      const std::vector<std::string>& domains = {}) {
    v1::AtrnBegin begin;
    *begin.mutable_asker() = Asker(login);
    for (const std::string& domain : domains) begin.add_domains(domain);
    Session session;
    session.session = replica.client().RunAtrn(begin, session.listener);
    return session;
  }
  // The first thing a session that is given up at once was told.
  static std::string TryAtrn(Replica& replica, const std::string& login) {
    Session session = Atrn(replica, login);
    std::string event = session.listener->Next();
    session.session.reset();
    while (!absl::StartsWith(session.listener->Next(), "closed")) {
    }
    return event;
  }

  v1::Gateway GetGateway(const std::string& domain) {
    v1::GetGatewayRequest request;
    request.set_domain(domain);
    v1::GetGatewayResponse response;
    grpc::ClientContext context;
    const grpc::Status status = one_.stub().GetGateway(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.gateway();
  }

  // An operator's call on a replica: its status code's name, and what it says of the gateway.
  template <typename Response, typename Request>
  static std::string Operate(Replica& replica,
                             grpc::Status (v1::DequeueService::Stub::*method)(grpc::ClientContext*,
                                                                              const Request&,
                                                                              Response*),
                             const Request& request, Response* response = nullptr) {
    Response unused;
    grpc::ClientContext context;
    const grpc::Status status =
        (replica.stub().*method)(&context, request, response != nullptr ? response : &unused);
    return absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  }
  static std::string Suspend(Replica& replica, const std::string& domain,
                             const std::string& reason) {
    v1::SuspendGatewayRequest request;
    request.set_domain(domain);
    request.set_reason(reason);
    return Operate<v1::SuspendGatewayResponse>(replica, &v1::DequeueService::Stub::SuspendGateway,
                                               request);
  }
  static std::string AddAccess(Replica& replica, const std::string& domain, v1::AccessList list,
                               const std::string& network) {
    v1::AddAccessEntryRequest request;
    request.set_domain(domain);
    request.set_list(list);
    request.set_network(network);
    return Operate<v1::AddAccessEntryResponse>(replica, &v1::DequeueService::Stub::AddAccessEntry,
                                               request);
  }
  static void WaitUntilKnownEverywhere() { absl::SleepFor(absl::Milliseconds(20)); }

  // Asks until nobody runs a session any more: the end of a stream reaches the service later.
  void WaitUntilNoSessionRuns(const std::string& domain) {
    while (GetGateway(domain).running_sessions_size() > 0) absl::SleepFor(absl::Milliseconds(5));
  }

  int messages_ = 0;
  spool::FakeSpool spool_;
  spool::FakeSharedState state_;
  Replica one_{spool_, state_};
  Replica two_{spool_, state_};
};

TEST_F(DequeueServiceTest, EtrnReleasesWhatIsHeldAndSaysHowMuch) {
  EXPECT_EQ(Etrn("a.example", "a.example").reply().code(), 251);
  Hold("a.example");
  Hold("a.example");
  Hold("b.example");
  const v1::RequestEtrnResponse response = Etrn("a.example", "alias.example");
  EXPECT_EQ(response.reply().code(), 253);
  EXPECT_EQ(response.reply().text(), "OK, 2 pending messages for node alias.example started");
  EXPECT_EQ(response.released(), 2);
  ASSERT_EQ(spool_.releases().size(), 2u);
  EXPECT_EQ(spool_.releases()[1].queue().name(), "a.example");
  EXPECT_EQ(spool_.releases()[1].route().address(), "198.51.100.1");
  // What was released before and waits is pending still.
  EXPECT_EQ(Etrn("a.example", "a.example").reply().code(), 253);
}

TEST_F(DequeueServiceTest, EtrnThatIsRefusedTouchesNothing) {
  Hold("a.example");
  EXPECT_EQ(Etrn("", "a.example").reply().code(), 530);
  EXPECT_EQ(Etrn("b.example", "a.example").reply().code(), 459);
  EXPECT_EQ(Etrn("a.example", "nowhere.example").reply().code(), 459);
  EXPECT_TRUE(spool_.releases().empty());
  EXPECT_FALSE(GetGateway("a.example").has_last_request());
  EXPECT_TRUE(absl::StrContains(
      one_.MetricsText(),
      "turnpike_dequeue_requests_total{protocol=\"etrn\",result=\"unauthenticated\"} 1"));
}

TEST_F(DequeueServiceTest, EtrnWithTheStoreAwayIsUnableToQueue) {
  spool_.SetQueueStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Etrn("a.example", "a.example").reply().code(), 458);
}

TEST_F(DequeueServiceTest, AtrnIsGrantedWithTheLoginsDomains) {
  Hold("a.example");
  Session session = Atrn(one_, "a.example");
  ASSERT_EQ(session.listener->Next(), "grant");
  const v1::AtrnGrant grant = session.listener->last().grant();
  EXPECT_EQ(grant.grant().size(), 32u);
  ASSERT_EQ(grant.queues_size(), 1);
  EXPECT_EQ(grant.queues(0).queue().name(), "a.example");
  ASSERT_EQ(grant.queues(0).recipient_domains_size(), 2);
  EXPECT_FALSE(grant.allow_chunking());
}

TEST_F(DequeueServiceTest, AtrnIsRefusedWithItsCode) {
  EXPECT_EQ(TryAtrn(one_, ""), "530");
  EXPECT_EQ(TryAtrn(one_, "nowhere.example"), "450");
  EXPECT_EQ(TryAtrn(one_, "a.example"), "453");
  Hold("a.example");
  Session foreign = Atrn(one_, "a.example", {"a.example", "b.example"});
  EXPECT_EQ(foreign.listener->Next(), "450");
  EXPECT_EQ(foreign.listener->Next(), "closed OK");
  spool_.SetQueueStatus(absl::UnavailableError("away"));
  EXPECT_EQ(TryAtrn(one_, "a.example"), "451");
  state_.SetStatus(absl::UnavailableError("away"));
  EXPECT_EQ(TryAtrn(one_, "a.example"), "451");
}

TEST_F(DequeueServiceTest, SecondAtrnOfAGatewayIsRefusedOnEveryReplica) {
  Hold("a.example");
  Session session = Atrn(one_, "a.example");
  ASSERT_EQ(session.listener->Next(), "grant");
  EXPECT_EQ(TryAtrn(one_, "a.example"), "450");
  EXPECT_EQ(TryAtrn(two_, "a.example"), "450");
  // The lock is renewed past its time.
  absl::SleepFor(absl::Seconds(2));
  EXPECT_EQ(TryAtrn(two_, "a.example"), "450");
  EXPECT_EQ(GetGateway("a.example").running_sessions(0).session_id(), "session");
  // It ends with the connection.
  session.session.reset();
  WaitUntilNoSessionRuns("a.example");
  EXPECT_EQ(TryAtrn(two_, "a.example"), "grant");
}

TEST_F(DequeueServiceTest, SessionsShareTheMailWhereTheGatewayAllowsIt) {
  Hold("b.example");
  Session first = Atrn(one_, "b.example");
  ASSERT_EQ(first.listener->Next(), "grant");
  Session second = Atrn(two_, "b.example");
  ASSERT_EQ(second.listener->Next(), "grant");
  EXPECT_NE(first.listener->last().grant().grant(), second.listener->last().grant().grant());
  EXPECT_EQ(GetGateway("b.example").running_sessions_size(), 2);
}

TEST_F(DequeueServiceTest, LoginThatAsksTooOftenIsRefused) {
  Hold("c.example");
  EXPECT_EQ(TryAtrn(one_, "c.example"), "grant");
  WaitUntilNoSessionRuns("c.example");
  EXPECT_EQ(TryAtrn(two_, "c.example"), "450");
}

TEST_F(DequeueServiceTest, EndedSessionIsShownWithItsTotals) {
  Hold("a.example");
  Session session = Atrn(one_, "a.example");
  ASSERT_EQ(session.listener->Next(), "grant");
  v1::AtrnProgress progress;
  progress.set_delivered(1);
  progress.set_bytes(7);
  session.session->Report(progress);
  v1::AtrnEnd end;
  end.set_ending(v1::ATRN_ENDING_COMPLETED);
  *end.mutable_totals() = progress;
  end.mutable_totals()->set_returned(1);
  session.session->End(end);
  EXPECT_EQ(session.listener->Next(), "closed OK");
  const v1::LastRequest last = GetGateway("alias.example").last_request();
  EXPECT_EQ(last.protocol(), "atrn");
  EXPECT_EQ(last.client_address(), "198.51.100.1");
  EXPECT_EQ(last.reply().code(), 250);
  EXPECT_EQ(last.ending(), v1::ATRN_ENDING_COMPLETED);
  EXPECT_EQ(last.totals().returned(), 1);
  const std::string text = one_.MetricsText();
  for (const char* series :
       {"turnpike_dequeue_messages_total{protocol=\"atrn\",result=\"delivered\"} 1",
        "turnpike_dequeue_messages_total{protocol=\"atrn\",result=\"rejected\"} 1",
        "turnpike_dequeue_transferred_bytes_total{protocol=\"atrn\"} 7",
        "turnpike_dequeue_sessions{protocol=\"atrn\"} 0",
        "turnpike_dequeue_session_duration_seconds_count{protocol=\"atrn\"} 1"}) {
    EXPECT_TRUE(absl::StrContains(text, series)) << series;
  }
}

TEST_F(DequeueServiceTest, DrainRevokesSessionsAndRefusesNewOnes) {
  Hold("a.example");
  Hold("b.example");
  Session session = Atrn(one_, "a.example");
  ASSERT_EQ(session.listener->Next(), "grant");
  std::thread drain([this] { one_.service().Drain(absl::InfiniteFuture()); });
  EXPECT_EQ(session.listener->Next(), "revoke");
  EXPECT_EQ(TryAtrn(one_, "b.example"), "451");
  v1::AtrnEnd end;
  end.set_ending(v1::ATRN_ENDING_DRAINED);
  session.session->End(end);
  drain.join();
  EXPECT_EQ(GetGateway("a.example").last_request().ending(), v1::ATRN_ENDING_DRAINED);
}

TEST_F(DequeueServiceTest, GatewaysAreListedInPages) {
  Hold("b.example");
  Etrn("b.example", "b.example");
  std::string domains;
  std::string token;
  do {
    v1::ListGatewaysRequest request;
    request.set_page_size(2);
    request.set_page_token(token);
    v1::ListGatewaysResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(one_.stub().ListGateways(&context, request, &response).ok());
    for (const v1::Gateway& gateway : response.gateways()) {
      absl::StrAppend(&domains, gateway.domain(), " ");
      if (gateway.domain() == "b.example") {
        EXPECT_EQ(gateway.queue().ready(), 1);
        EXPECT_EQ(gateway.last_request().protocol(), "etrn");
        EXPECT_EQ(gateway.last_request().reply().code(), 253);
      }
    }
    token = response.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(domains, "a.example b.example c.example ");
}

TEST_F(DequeueServiceTest, BadQuestionsAboutGatewaysAreErrors) {
  grpc::ClientContext context;
  v1::GetGatewayRequest unknown;
  unknown.set_domain("nowhere.example");
  v1::GetGatewayResponse gateway;
  EXPECT_EQ(one_.stub().GetGateway(&context, unknown, &gateway).error_code(),
            grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext second_context;
  v1::ListGatewaysRequest too_big;
  too_big.set_page_size(1001);
  v1::ListGatewaysResponse gateways;
  EXPECT_EQ(one_.stub().ListGateways(&second_context, too_big, &gateways).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  spool_.SetQueueStatus(absl::UnavailableError("away"));
  grpc::ClientContext third_context;
  EXPECT_EQ(one_.stub().ListGateways(&third_context, {}, &gateways).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

// [DQ-60]
TEST_F(DequeueServiceTest, StateOfAGatewayHasItsLimitsAndLists) {
  const v1::Gateway state = GetGateway("c.example");
  EXPECT_EQ(state.messages_max(), 7);
  EXPECT_EQ(state.outcomes_unknown(), 2);
  EXPECT_FALSE(state.suspended());
  ASSERT_EQ(state.access_size(), 1);
  EXPECT_EQ(state.access(0).network(), "192.0.2.0/24");
  EXPECT_TRUE(state.access(0).configured());
}

// [DQ-42]
TEST_F(DequeueServiceTest, ChangedAccessCutsNoSession) {
  Hold("a.example");
  Session session = Atrn(one_, "a.example");
  ASSERT_EQ(session.listener->Next(), "grant");
  EXPECT_EQ(AddAccess(one_, "a.example", v1::ACCESS_LIST_IGNORE, "0.0.0.0/0"), "OK");
  WaitUntilKnownEverywhere();
  v1::AtrnEnd end;
  end.set_ending(v1::ATRN_ENDING_COMPLETED);
  session.session->End(end);
  EXPECT_EQ(session.listener->Next(), "closed OK");
}

// [DQ-61]
TEST_F(DequeueServiceTest, SuspensionEndsSessionsOfEveryReplica) {
  Hold("a.example");
  Hold("b.example");
  Session here = Atrn(one_, "a.example");
  ASSERT_EQ(here.listener->Next(), "grant");
  Session there = Atrn(two_, "b.example");
  ASSERT_EQ(there.listener->Next(), "grant");
  EXPECT_EQ(Suspend(one_, "b.example", ""), "OK");
  EXPECT_EQ(there.listener->Next(), "revoke");
  EXPECT_EQ(Suspend(one_, "a.example", ""), "OK");
  EXPECT_EQ(here.listener->Next(), "revoke");
}

TEST_F(DequeueServiceTest, OperatorsCallsReachTheGatewayByAnyOfItsNames) {
  EXPECT_EQ(Suspend(one_, "ALIAS.example", "unpaid"), "OK");
  EXPECT_TRUE(GetGateway("a.example").suspended());
  EXPECT_EQ(Suspend(one_, "nowhere.example", ""), "NOT_FOUND");
  EXPECT_EQ(AddAccess(one_, "nowhere.example", v1::ACCESS_LIST_HONOR, "192.0.2.1"), "NOT_FOUND");
  v1::ResumeGatewayRequest resume;
  resume.set_domain("a.example");
  v1::ResumeGatewayResponse resumed;
  EXPECT_EQ(Operate(one_, &v1::DequeueService::Stub::ResumeGateway, resume, &resumed), "OK");
  EXPECT_EQ(resumed.gateway().domain(), "a.example");
  v1::RemoveAccessEntryRequest remove;
  remove.set_domain("a.example");
  remove.set_list(v1::ACCESS_LIST_HONOR);
  remove.set_network("192.0.2.1");
  v1::RemoveAccessEntryResponse removed;
  EXPECT_EQ(Operate(one_, &v1::DequeueService::Stub::RemoveAccessEntry, remove, &removed),
            "NOT_FOUND");
  v1::ReleaseGatewayRequest release;
  release.set_domain("c.example");
  v1::ReleaseGatewayResponse released;
  EXPECT_EQ(Operate(one_, &v1::DequeueService::Stub::ReleaseGateway, release, &released), "OK");
}

}  // namespace
}  // namespace turnpike::dequeue
