// Clients of a server that is killed, and of its successor.
#include <fcntl.h>
#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

// An echo_server_main.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& listen) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string path = "services/common/rpc/testing/echo_server_main";
    std::string argument = listen;
    char* arguments[] = {path.data(), argument.data(), nullptr};
    EXPECT_EQ(posix_spawn(&process_, path.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE* output = fdopen(ends[0], "r");
    char line[100] = "";
    EXPECT_NE(fgets(line, sizeof(line), output), nullptr) << "the server does not start";
    fclose(output);
    address_ = std::string(absl::StripSuffix(line, "\n"));
  }
  ~ServerProcess() { Kill(); }

  void Kill() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }
  const std::string& address() const { return address_; }

 private:
  pid_t process_ = 0;
  std::string address_;
};

TEST(KilledServerTest, OpenStreamClosesAndTheNextOneFindsTheSuccessor) {
  ServerProcess first("127.0.0.1:0");
  auto stub = EchoService::NewStub(CreateChannel(first.address()));
  Recorder<std::string> texts;
  Recorder<absl::Status> closed;
  const ChatClientStream::Callbacks callbacks = {
      .on_message =
          [&](ChatResponse& response) {
            for (const std::string& text : response.texts()) texts.Add(text);
          },
      .on_closed = [&](const absl::Status& status) { closed.Add(status); }};
  ChatRequest request;
  request.add_texts("before");
  auto stream = OpenChat(stub.get(), callbacks);
  ASSERT_TRUE(stream->TryWrite(request));
  ASSERT_EQ(texts.WaitFor(1).size(), 1u);

  first.Kill();
  ASSERT_EQ(closed.WaitFor(1).size(), 1u);
  EXPECT_EQ(closed.values()[0].code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(stream->TryWrite(request));

  ServerProcess second(first.address());
  size_t closed_count = 1;
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (texts.values().size() < 2 && absl::Now() < give_up) {
    // As an owner does: a new stream when the last one has closed.
    request.Clear();
    request.add_texts("after");
    stream = OpenChat(stub.get(), callbacks);
    stream->TryWrite(request);
    stream->WritesDone();
    ASSERT_EQ(closed.WaitFor(++closed_count).size(), closed_count);
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(texts.values(), (std::vector<std::string>{"before", "after"}));
}

}  // namespace
}  // namespace turnpike::rpc::testing
