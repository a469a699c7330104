#include "services/common/rpc/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/listening_socket.h"

namespace turnpike::rpc {
namespace {

// How long accepting rests when descriptors have run out. Connections wait in the kernel's queue.
constexpr absl::Duration kPause = absl::Milliseconds(50);
// Counting connections costs a system call for each: not for every one that is refused in a flood.
constexpr absl::Duration kCountInterval = absl::Milliseconds(20);

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(const Options& options) {
  if (options.connections_max == 0) {
    return absl::InvalidArgumentError("connections_max must be positive");
  }
  absl::StatusOr<net::ListeningSocket> listener = net::ListenTcp(options.listen);
  if (!listener.ok()) return listener.status();
  const int wake_up = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_up < 0) {
    const int eventfd_error = errno;
    close(listener->descriptor);
    return absl::UnavailableError(absl::StrCat("eventfd: ", strerror(eventfd_error)));
  }
  return std::unique_ptr<Acceptor>(
      new Acceptor(listener->descriptor, wake_up, listener->address, options.connections_max));
}

Acceptor::Acceptor(int listener, int wake_up, std::string address, size_t connections_max)
    : listener_(listener),
      wake_up_(wake_up),
      address_(std::move(address)),
      connections_max_(connections_max) {}

Acceptor::~Acceptor() {
  Stop();
  close(wake_up_);
}

void Acceptor::Start(OnConnection on_connection) {
  on_connection_ = std::move(on_connection);
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    eventfd_write(wake_up_, 1);
    thread_.join();
  }
  if (listener_ >= 0) close(listener_);
  listener_ = -1;
}

void Acceptor::Run() {
  absl::Duration pause = absl::ZeroDuration();
  while (true) {
    pollfd polled[2] = {{.fd = wake_up_, .events = POLLIN, .revents = 0},
                        {.fd = listener_, .events = POLLIN, .revents = 0}};
    const bool paused = pause > absl::ZeroDuration();
    const int ready = poll(polled, paused ? 1 : 2,
                           paused ? static_cast<int>(absl::ToInt64Milliseconds(pause)) : -1);
    if (ready > 0 && polled[0].revents != 0) return;
    pause = AcceptAll();
  }
}

absl::Duration Acceptor::AcceptAll() {
  while (true) {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      HandOn(descriptor);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return absl::ZeroDuration();
      case ECONNABORTED:
      case EINTR:
        continue;
      default:
        return kPause;  // out of descriptors or memory, or the network is down: it will pass
    }
  }
}

void Acceptor::HandOn(int descriptor) {
  if (connections_.size() >= connections_max_) ForgetClosedConnections();
  struct stat status {};
  if (connections_.size() >= connections_max_ || fstat(descriptor, &status) != 0) {
    close(descriptor);
    return;
  }
  const int one = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  connections_.push_back({descriptor, status.st_ino});
  on_connection_(descriptor);
}

void Acceptor::ForgetClosedConnections() {
  const absl::Time now = absl::Now();
  if (now < next_count_) return;
  next_count_ = now + kCountInterval;
  const auto is_closed = [](const Connection& connection) {
    struct stat status {};
    return fstat(connection.descriptor, &status) != 0 || status.st_ino != connection.inode;
  };
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(), is_closed),
                     connections_.end());
}

}  // namespace turnpike::rpc
