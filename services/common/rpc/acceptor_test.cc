#include "services/common/rpc/acceptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc {
namespace {

int Connect(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return descriptor;
}

bool IsClosedByPeer(int descriptor) {
  char octet;
  return recv(descriptor, &octet, 1, 0) <= 0;  // blocks until then
}

TEST(AcceptorTest, HandsOnNonBlockingDescriptorsThatAnExecDoesNotInherit) {
  auto acceptor = Acceptor::Listen({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  testing::Recorder<int> accepted;
  (*acceptor)->Start([&](int descriptor) { accepted.Add(descriptor); });
  const int client = Connect((*acceptor)->address());
  const auto descriptors = accepted.WaitFor(1);
  ASSERT_EQ(descriptors.size(), 1u);
  EXPECT_NE(fcntl(descriptors[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(descriptors[0], F_GETFD) & FD_CLOEXEC, 0);
  close(client);
  close(descriptors[0]);
}

TEST(AcceptorTest, ClosesConnectionsOverTheLimitAndCountsAgainWhenOthersHaveEnded) {
  auto acceptor = Acceptor::Listen({.listen = "127.0.0.1:0", .connections_max = 1});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  testing::Recorder<int> accepted;
  (*acceptor)->Start([&](int descriptor) { accepted.Add(descriptor); });
  const int first = Connect((*acceptor)->address());
  ASSERT_EQ(accepted.WaitFor(1).size(), 1u);
  const int second = Connect((*acceptor)->address());
  EXPECT_TRUE(IsClosedByPeer(second));
  close(second);
  close(accepted.values()[0]);  // its owner closes it, and says nothing
  EXPECT_TRUE(IsClosedByPeer(first));
  close(first);
  // Counting is not done for each refusal of a flood, so this may take a few.
  while (accepted.values().size() < 2) {
    const int third = Connect((*acceptor)->address());
    usleep(5'000);
    close(third);
  }
  close(accepted.values()[1]);
}

TEST(AcceptorTest, NothingComesAfterStop) {
  auto acceptor = Acceptor::Listen({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  (*acceptor)->Start([](int) { ADD_FAILURE(); });
  (*acceptor)->Stop();
  (*acceptor)->Stop();
  auto again = Acceptor::Listen({.listen = (*acceptor)->address()});
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST(AcceptorTest, ListensOnIpv6) {
  auto acceptor = Acceptor::Listen({.listen = "[::1]:0"});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status();
  EXPECT_EQ((*acceptor)->address().rfind("[::1]:", 0), 0u) << (*acceptor)->address();
}

}  // namespace
}  // namespace turnpike::rpc
