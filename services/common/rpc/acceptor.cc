#include "services/common/rpc/acceptor.h"

#include <errno.h>
#include <netdb.h>
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
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace turnpike::rpc {
namespace {

// How long accepting rests when descriptors have run out. Connections wait in the kernel's queue.
constexpr absl::Duration kPause = absl::Milliseconds(50);
// Counting connections costs a system call for each: not for every one that is refused in a flood.
constexpr absl::Duration kCountInterval = absl::Milliseconds(20);

struct HostPort {
  std::string host;  // empty: any address
  std::string port;
};

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("not host:port: ", text));
  }
  absl::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("an IPv6 address needs brackets: ", text));
  }
  return HostPort{std::string(host), absl::StrCat(port)};
}

// The bound and listening socket, or -1 with errno set.
int BindAndListen(const addrinfo& address) {
  const int descriptor =
      socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return -1;
  const int one = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(descriptor, address.ai_addr, address.ai_addrlen) != 0 ||
      listen(descriptor, SOMAXCONN) != 0) {
    const int error = errno;
    close(descriptor);
    errno = error;
    return -1;
  }
  return descriptor;
}

std::string LocalAddress(int descriptor) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(descriptor, address, &length) != 0 ||
      getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  return storage.ss_family == AF_INET6 ? absl::StrCat("[", host, "]:", port)
                                       : absl::StrCat(host, ":", port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(const Options& options) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(options.listen);
  if (!parsed.ok()) return parsed.status();
  if (options.connections_max == 0) {
    return absl::InvalidArgumentError("connections_max must be positive");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(parsed->host.empty() ? nullptr : parsed->host.c_str(),
                                parsed->port.c_str(), &hints, &found);
  if (error != 0) {
    const std::string why = absl::StrCat(options.listen, ": ", gai_strerror(error));
    return error == EAI_AGAIN || error == EAI_MEMORY || error == EAI_SYSTEM
               ? absl::UnavailableError(why)
               : absl::InvalidArgumentError(why);
  }
  int listener = -1;
  int bind_error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr && listener < 0;
       address = address->ai_next) {
    listener = BindAndListen(*address);
    if (listener < 0) bind_error = errno;
  }
  freeaddrinfo(found);
  if (listener < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen, ": ", strerror(bind_error)));
  }
  const int wake_up = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_up < 0) {
    const int eventfd_error = errno;
    close(listener);
    return absl::UnavailableError(absl::StrCat("eventfd: ", strerror(eventfd_error)));
  }
  return std::unique_ptr<Acceptor>(
      new Acceptor(listener, wake_up, LocalAddress(listener), options.connections_max));
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
    const int ready =
        poll(polled, paused ? 1 : 2, paused ? static_cast<int>(absl::ToInt64Milliseconds(pause)) : -1);
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
