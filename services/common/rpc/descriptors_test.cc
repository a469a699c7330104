// A server that has run out of descriptors serves again when there are some. A binary of its own:
// it limits its process. Limit: not for UndefinedBehaviorSanitizer, whose check of virtual calls
// opens descriptors itself and takes a failure for a bad object.
#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/echo_server.h"

namespace turnpike::rpc::testing {
namespace {

grpc::Status Say(const std::string& address) {
  auto stub = EchoService::NewStub(CreateChannel(address));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  SayRequest request;
  SayResponse response;
  return stub->Say(&context, request, &response);
}

// A connected socket, or -1.
int Connect(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connect(descriptor, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  return descriptor;
}

TEST(DescriptorsTest, ServerAcceptsAgainAfterDescriptorsHaveRunOut) {
  EchoServer service;
  auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(Say((*server)->address()).ok());

  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit low = limit;
  low.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);

  // Both ends of each connection are descriptors of this process.
  for (int round = 0; round < 3; ++round) {
    std::vector<int> flood;
    while (true) {
      const int descriptor = Connect((*server)->address());
      if (descriptor < 0) break;
      flood.push_back(descriptor);
    }
    EXPECT_GT(flood.size(), 20u);
    absl::SleepFor(absl::Milliseconds(200));  // the acceptor meets EMFILE, more than once
    for (const int descriptor : flood) close(descriptor);
  }
  absl::SleepFor(absl::Milliseconds(200));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const grpc::Status status = Say((*server)->address());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace turnpike::rpc::testing
