#include "services/smtp-frontend/testing/test_peer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::frontend::testing {
namespace {

constexpr int kWaitMilliseconds = 10'000;

// Each read call of a TLS session gives octets of one record only, if the buffer is large enough.
constexpr size_t kReadBytes = 20'000;

bool IsReadable(int socket, int milliseconds) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) > 0;
}

}  // namespace

TestPeer::TestPeer(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(colon + 1), &port)) << address;
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0) << address;
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

TestPeer::~TestPeer() {
  SSL_free(tls_);
  SSL_CTX_free(context_);
  if (socket_ >= 0) ::close(socket_);
}

void TestPeer::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = tls_ != nullptr
                             ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool TestPeer::Fill() {
  const bool has_pending = tls_ != nullptr && SSL_pending(tls_) > 0;
  if (!has_pending && !IsReadable(socket_, kWaitMilliseconds)) return false;
  char buffer[kReadBytes];
  const ssize_t count = tls_ != nullptr ? SSL_read(tls_, buffer, sizeof(buffer))
                                        : ::recv(socket_, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  if (tls_ != nullptr) ++tls_record_count_;
  input_.append(buffer, static_cast<size_t>(count));
  return true;
}

std::string TestPeer::ReadLine() {
  size_t end;
  while ((end = input_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return std::exchange(input_, "");
  }
  std::string line = input_.substr(0, end);
  input_.erase(0, end + 2);
  return line;
}

std::string TestPeer::ReadReply() {
  std::string reply = ReadLine();
  std::string line = reply;
  while (line.size() > 3 && line[3] == '-') {
    line = ReadLine();
    absl::StrAppend(&reply, "\n", line);
  }
  return reply;
}

std::string TestPeer::Ask(absl::string_view line) {
  Send(absl::StrCat(line, "\r\n"));
  return ReadReply();
}

std::string TestPeer::ReadTo(absl::string_view last) {
  std::string text;
  while (true) {
    if (input_.find("\r\n") == std::string::npos && !Fill()) return text;
    const std::string line = ReadLine();
    absl::StrAppend(&text, line, "\r\n");
    if (line == last) return text;
  }
}

bool TestPeer::IsSilentFor(int milliseconds) {
  return input_.empty() && !IsReadable(socket_, milliseconds);
}

bool TestPeer::IsAtEnd() {
  if (!input_.empty() || !IsReadable(socket_, kWaitMilliseconds)) return false;
  return !Fill();
}

bool TestPeer::StartTls() {
  context_ = SSL_CTX_new(TLS_client_method());
  tls_ = SSL_new(context_);
  SSL_set_fd(tls_, socket_);
  return SSL_connect(tls_) == 1;
}

void TestPeer::CloseWriting() { ::shutdown(socket_, SHUT_WR); }

void TestPeer::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  ::close(std::exchange(socket_, -1));
}

}  // namespace turnpike::frontend::testing
