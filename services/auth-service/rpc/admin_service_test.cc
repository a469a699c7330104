#include "services/auth-service/rpc/admin_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "protos/turnpike/auth/v1/admin.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::auth {
namespace {

class AdminServiceTest : public testing::Test {
 protected:
  AdminServiceTest()
      : screen_metrics_(registry_),
        mailbox_metrics_(registry_),
        screen_({}, state_, screen_metrics_, base::Clock::System()),
        logins_(std::make_shared<SharedLogins>(
            SharedLogins::Options{
                .account_of = [](absl::string_view user) { return std::string(user); }},
            state_)) {}
  ~AdminServiceTest() override { server_->Shutdown(absl::Now()); }

  void Serve(std::shared_ptr<SharedLogins> logins) {
    service_ = CreateAdminService(
        {.screen = screen_,
         .logins = [logins] { return logins; },
         .mailbox_metrics = mailbox_metrics_,
         .explain =
             [](v1::ExplainVerdictRequest request, AdminServiceParts::ExplainDone done) {
               v1::ExplainVerdictResponse response;
               response.set_rule(request.listener());
               done(std::move(response));
             }});
    server_ = *rpc::Server::Start({.listen = "127.0.0.1:0"}, {service_.get()});
    stub_ = v1::AuthAdminService::NewStub(rpc::CreateChannel(server_->address()));
  }

  grpc::StatusCode Add(const char* network) {
    grpc::ClientContext context;
    v1::AddScreenEntryRequest request;
    v1::AddScreenEntryResponse response;
    request.set_network(network);
    return stub_->AddScreenEntry(&context, request, &response).error_code();
  }
  grpc::StatusCode Remove(const char* network) {
    grpc::ClientContext context;
    v1::RemoveScreenEntryRequest request;
    v1::RemoveScreenEntryResponse response;
    request.set_network(network);
    return stub_->RemoveScreenEntry(&context, request, &response).error_code();
  }
  grpc::StatusCode Report(const char* account, const char* address) {
    grpc::ClientContext context;
    v1::ReportMailboxLoginRequest request;
    v1::ReportMailboxLoginResponse response;
    request.set_account(account);
    request.set_client_address(address);
    return stub_->ReportMailboxLogin(&context, request, &response).error_code();
  }
  v1::ListScreenEntriesResponse List(int page_size, const std::string& token) {
    grpc::ClientContext context;
    v1::ListScreenEntriesRequest request;
    v1::ListScreenEntriesResponse response;
    request.set_page_size(page_size);
    request.set_page_token(token);
    EXPECT_TRUE(stub_->ListScreenEntries(&context, request, &response).ok());
    return response;
  }

  prometheus::Registry registry_;
  spool::FakeSharedState state_;
  ScreenMetrics screen_metrics_;
  MailboxMetrics mailbox_metrics_;
  SharedScreen screen_;
  const std::shared_ptr<SharedLogins> logins_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<v1::AuthAdminService::Stub> stub_;
};

TEST_F(AdminServiceTest, ScreenIsListedInPagesAndChanged) {
  Serve(nullptr);
  for (const char* network : {"2001:db8::/64", "192.0.2.1", "10.0.0.0/8"}) {
    EXPECT_EQ(Add(network), grpc::StatusCode::OK);
  }
  EXPECT_EQ(Add("nonsense"), grpc::StatusCode::INVALID_ARGUMENT);
  const v1::ListScreenEntriesResponse first = List(2, "");
  ASSERT_EQ(first.entries_size(), 2);
  EXPECT_EQ(first.entries(0).network(), "10.0.0.0/8");
  EXPECT_EQ(first.entries(1).network(), "192.0.2.1/32");
  const v1::ListScreenEntriesResponse second = List(2, first.next_page_token());
  ASSERT_EQ(second.entries_size(), 1);
  EXPECT_EQ(second.entries(0).network(), "2001:db8::/64");
  EXPECT_EQ(second.next_page_token(), "");
  EXPECT_EQ(Remove("192.0.2.1"), grpc::StatusCode::OK);
  EXPECT_EQ(Remove("192.0.2.1"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(List(0, "").entries_size(), 2);
}

TEST_F(AdminServiceTest, LoginsAreReportedWherePopBeforeSmtpIsOn) {
  Serve(logins_);
  EXPECT_EQ(Report("ann@b.example", "192.0.2.1"), grpc::StatusCode::OK);
  EXPECT_EQ(Report("ann@b.example", "nowhere"), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(mailbox_metrics_.logins.Value(), 1);
  bool is_found = false;
  logins_->Find("ann@b.example", "192.0.2.1", absl::InfiniteFuture(),
                [&is_found](absl::StatusOr<bool> found) { is_found = found.ok() && *found; });
  EXPECT_TRUE(is_found);
}

TEST_F(AdminServiceTest, LoginsAreRefusedWherePopBeforeSmtpIsOff) {
  Serve(nullptr);
  EXPECT_EQ(Report("ann@b.example", "192.0.2.1"), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(AdminServiceTest, StoreThatIsAwayIsSaidToBe) {
  Serve(logins_);
  state_.SetStatus(absl::UnavailableError("away"));
  EXPECT_EQ(Add("192.0.2.1"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Remove("192.0.2.1"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Report("ann@b.example", "192.0.2.1"), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(AdminServiceTest, VerdictsAreExplained) {
  Serve(nullptr);
  grpc::ClientContext context;
  v1::ExplainVerdictRequest request;
  v1::ExplainVerdictResponse response;
  request.set_listener("mx");
  EXPECT_TRUE(stub_->ExplainVerdict(&context, request, &response).ok());
  EXPECT_EQ(response.rule(), "mx");
}

}  // namespace
}  // namespace turnpike::auth
