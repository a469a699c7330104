#include "services/gateway-dequeue/client/rpc_dequeue.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "protos/turnpike/dequeue/v1/dequeue.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server_stream.h"

namespace turnpike::dequeue {
namespace {

using Stream = rpc::ServerStream<v1::RunAtrnRequest, v1::RunAtrnResponse>;

// Grants an ATRN for the first domain asked for; `silent.example` gets no answer.
class TestService : public v1::DequeueService::CallbackService {
 public:
  grpc::ServerUnaryReactor* RequestEtrn(grpc::CallbackServerContext* context,
                                        const v1::RequestEtrnRequest* request,
                                        v1::RequestEtrnResponse* response) override {
    response->mutable_reply()->set_text(request->name());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerBidiReactor<v1::RunAtrnRequest, v1::RunAtrnResponse>* RunAtrn(
      grpc::CallbackServerContext*) override {
    auto [reactor, stream] = Stream::Create();
    stream->Start({.on_message =
                       [this, stream = stream](v1::RunAtrnRequest& request) {
                         {
                           absl::MutexLock lock(&mu);
                           requests.push_back(request);
                         }
                         if (request.has_begin() &&
                             request.begin().domains(0) != "silent.example") {
                           stream->Send([&request](v1::RunAtrnResponse& response) {
                             response.mutable_grant()->set_grant(request.begin().domains(0));
                           });
                         }
                         return true;
                       },
                   .on_half_close = [stream = stream] { stream->Finish(absl::OkStatus()); },
                   .on_closed =
                       [this] {
                         absl::MutexLock lock(&mu);
                         ++closed;
                       }});
    return reactor;
  }

  absl::Mutex mu;
  std::vector<v1::RunAtrnRequest> requests ABSL_GUARDED_BY(mu);
  int closed ABSL_GUARDED_BY(mu) = 0;
};

class TestHandler : public AtrnSession::Handler {
 public:
  void OnResponse(v1::RunAtrnResponse response) override {
    first = std::move(response);
    answered.Notify();
  }
  void OnClosed(absl::Status status_now) override {
    status = std::move(status_now);
    closed.Notify();
  }

  v1::RunAtrnResponse first;
  absl::Status status;
  absl::Notification answered;
  absl::Notification closed;
};

class RpcDequeueTest : public ::testing::Test {
 protected:
  RpcDequeueTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    target_ = absl::StrCat("127.0.0.1:", port);
  }
  ~RpcDequeueTest() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  static v1::AtrnBegin Begin(const std::string& domain) {
    v1::AtrnBegin begin;
    begin.add_domains(domain);
    return begin;
  }

  void WaitForClosedCalls(int count) {
    absl::MutexLock lock(&service_.mu);
    auto are_closed = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mu) {
      return service_.closed == count;
    };
    service_.mu.Await(absl::Condition(&are_closed));
  }

  TestService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
  std::shared_ptr<TestHandler> handler_ = std::make_shared<TestHandler>();
};

TEST_F(RpcDequeueTest, EtrnIsAnswered) {
  RpcDequeue dequeue(rpc::CreateChannel(target_));
  v1::RequestEtrnRequest request;
  request.set_name("example.org");
  absl::Notification done;
  dequeue.RequestEtrn(request, absl::Now() + absl::Seconds(20),
                      [&done](absl::StatusOr<v1::RequestEtrnResponse> response) {
                        ASSERT_TRUE(response.ok()) << response.status();
                        EXPECT_EQ(response->reply().text(), "example.org");
                        done.Notify();
                      });
  done.WaitForNotification();
}

TEST_F(RpcDequeueTest, AtrnBeginsReportsAndEnds) {
  RpcDequeue dequeue(rpc::CreateChannel(target_));
  std::unique_ptr<AtrnSession> session = dequeue.RunAtrn(Begin("example.org"), handler_);
  handler_->answered.WaitForNotification();
  EXPECT_EQ(handler_->first.grant().grant(), "example.org");
  v1::AtrnProgress progress;
  progress.set_delivered(1);
  session->Report(progress);
  v1::AtrnEnd end;
  end.set_ending(v1::ATRN_ENDING_COMPLETED);
  end.mutable_totals()->set_delivered(2);
  session->End(end);
  session.reset();
  handler_->closed.WaitForNotification();
  EXPECT_TRUE(handler_->status.ok()) << handler_->status;
  WaitForClosedCalls(1);
  absl::MutexLock lock(&service_.mu);
  EXPECT_EQ(service_.requests.back().end().totals().delivered(), 2);
}

TEST_F(RpcDequeueTest, DestroyingTheSessionWithoutEndClosesTheStream) {
  RpcDequeue dequeue(rpc::CreateChannel(target_));
  std::unique_ptr<AtrnSession> session = dequeue.RunAtrn(Begin("example.org"), handler_);
  handler_->answered.WaitForNotification();
  session.reset();
  handler_->closed.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(handler_->status)) << handler_->status;
  WaitForClosedCalls(1);
  absl::MutexLock lock(&service_.mu);
  EXPECT_FALSE(service_.requests.back().has_end());
}

TEST_F(RpcDequeueTest, AtrnThatGetsNoAnswerIsClosedAtItsDeadline) {
  RpcDequeue dequeue(rpc::CreateChannel(target_), {.begin_timeout = absl::Milliseconds(100)});
  std::unique_ptr<AtrnSession> session = dequeue.RunAtrn(Begin("silent.example"), handler_);
  handler_->closed.WaitForNotification();
  EXPECT_TRUE(absl::IsDeadlineExceeded(handler_->status)) << handler_->status;
  EXPECT_FALSE(handler_->answered.HasBeenNotified());
}

TEST_F(RpcDequeueTest, ServiceThatIsAwayClosesTheSessionAsUnavailable) {
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  RpcDequeue dequeue(rpc::CreateChannel(target_));
  std::unique_ptr<AtrnSession> session = dequeue.RunAtrn(Begin("example.org"), handler_);
  handler_->closed.WaitForNotification();
  EXPECT_TRUE(absl::IsUnavailable(handler_->status)) << handler_->status;
}

}  // namespace
}  // namespace turnpike::dequeue
