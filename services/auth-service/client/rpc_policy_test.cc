#include "services/auth-service/client/rpc_policy.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "protos/turnpike/auth/v1/session.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server_stream.h"

namespace turnpike::auth {
namespace {

using Stream = rpc::ServerStream<v1::AskRequest, v1::AskResponse>;

// Accepts MAIL with the return path as rule; breaks the stream at `break`, is silent at `silence`.
class TestService : public v1::SessionService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::AskRequest, v1::AskResponse>* Ask(
      grpc::CallbackServerContext*) override {
    ++streams;
    auto [reactor, stream] = Stream::Create();
    stream->Start({.on_message =
                       [stream = stream](v1::AskRequest& request) {
                         for (const v1::Question& question : request.questions()) {
                           Answer(question, *stream);
                         }
                         return true;
                       },
                   .on_half_close = [stream = stream] { stream->Finish(absl::OkStatus()); }});
    return reactor;
  }

  std::atomic<int> streams{0};

 private:
  static void Answer(const v1::Question& question, Stream& stream) {
    const std::string& path = question.mail().return_path();
    if (path == "silence") return;
    if (path == "break") {
      stream.Finish(absl::InternalError("broken"));
      return;
    }
    stream.Send([&question, &path](v1::AskResponse& response) {
      v1::Answer* answer = response.add_answers();
      answer->set_question_id(question.question_id());
      answer->mutable_verdict()->set_accepted(true);
      answer->mutable_verdict()->set_rule(path);
    });
  }
};

class RpcPolicyTest : public ::testing::Test {
 protected:
  RpcPolicyTest() { StartServer(0); }

  void StartServer(int port) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }

  static v1::Question Mail(const std::string& path) {
    v1::Question question;
    question.mutable_mail()->set_return_path(path);
    return question;
  }

  static absl::StatusOr<v1::Answer> AskAndWait(Policy& policy, const std::string& path,
                                               absl::Duration timeout = absl::Seconds(20)) {
    absl::StatusOr<v1::Answer> result;
    absl::Notification done;
    policy.Ask(Mail(path), absl::Now() + timeout, [&](absl::StatusOr<v1::Answer> answer) {
      result = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }

  int port_ = 0;
  TestService service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(RpcPolicyTest, EveryQuestionGetsItsOwnAnswerOverOneStream) {
  RpcPolicy policy(rpc::CreateChannel(target()));
  constexpr int kQuestions = 1000;
  std::atomic<int> right{0};
  absl::BlockingCounter left(kQuestions);
  for (int i = 0; i < kQuestions; ++i) {
    policy.Ask(Mail(absl::StrCat(i)), absl::Now() + absl::Seconds(20),
               [i, &right, &left](absl::StatusOr<v1::Answer> answer) {
                 if (answer.ok() && answer->verdict().rule() == absl::StrCat(i)) ++right;
                 left.DecrementCount();
               });
  }
  left.Wait();
  EXPECT_EQ(right, kQuestions);
  EXPECT_EQ(service_.streams, 1);
}

TEST_F(RpcPolicyTest, BrokenStreamFailsOpenQuestionsAndIsReopened) {
  RpcPolicy policy(rpc::CreateChannel(target()));
  absl::Notification failed;
  policy.Ask(Mail("silence"), absl::Now() + absl::Seconds(20),
             [&failed](absl::StatusOr<v1::Answer> answer) {
               EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
               failed.Notify();
             });
  EXPECT_TRUE(absl::IsUnavailable(AskAndWait(policy, "break").status()));
  failed.WaitForNotification();
  EXPECT_TRUE(AskAndWait(policy, "again").ok());
  EXPECT_EQ(service_.streams, 2);
}

TEST_F(RpcPolicyTest, UnansweredQuestionFailsAtItsDeadline) {
  RpcPolicy policy(rpc::CreateChannel(target()));
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(AskAndWait(policy, "silence", absl::Milliseconds(100)).status()));
  EXPECT_TRUE(AskAndWait(policy, "next").ok());
}

TEST_F(RpcPolicyTest, ServiceThatIsAwayFailsQuestionsSoonAndIsFoundAgain) {
  RpcPolicy policy(rpc::CreateChannel(target()));
  EXPECT_TRUE(AskAndWait(policy, "first").ok());
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  server_ = nullptr;
  EXPECT_TRUE(absl::IsUnavailable(AskAndWait(policy, "away").status()));
  StartServer(port_);
  // The channel's own backoff decides when; each question meanwhile fails by itself.
  absl::Status status;
  for (int i = 0; i < 200; ++i) {
    status = AskAndWait(policy, "back").status();
    if (status.ok()) break;
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  }
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(RpcPolicyTest, QuestionsInFlightAreBounded) {
  std::atomic<int> cancelled{0};
  {
    RpcPolicy bounded(rpc::CreateChannel(target()), {.questions_max = 1});
    bounded.Ask(Mail("silence"), absl::Now() + absl::Seconds(20),
                [&cancelled](absl::StatusOr<v1::Answer> answer) {
                  if (absl::IsCancelled(answer.status())) ++cancelled;
                });
    EXPECT_TRUE(absl::IsUnavailable(AskAndWait(bounded, "one too many").status()));
  }
  EXPECT_EQ(cancelled, 1);  // the destructor answers what is open
}

}  // namespace
}  // namespace turnpike::auth
