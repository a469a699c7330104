#include "services/common/net/listening_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::net {
namespace {

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
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError(absl::StrCat("an IPv6 address needs brackets: ", text));
  }
  return HostPort{std::string(host), absl::StrCat(port)};
}

// The bound and listening socket, or -1 with errno set.
int BindAndListen(const addrinfo& address) {
  const int descriptor =
      socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return -1;
  const int on = 1;
  const int off = 0;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // what it accepts inherits it
  if (address.ai_family == AF_INET6) {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
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

absl::StatusOr<ListeningSocket> ListenTcp(absl::string_view listen) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(listen);
  if (!parsed.ok()) return parsed.status();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int lookup_error = getaddrinfo(parsed->host.empty() ? nullptr : parsed->host.c_str(),
                                       parsed->port.c_str(), &hints, &found);
  if (lookup_error != 0) {
    const std::string why = absl::StrCat(listen, ": ", gai_strerror(lookup_error));
    return lookup_error == EAI_AGAIN || lookup_error == EAI_MEMORY || lookup_error == EAI_SYSTEM
               ? absl::UnavailableError(why)
               : absl::InvalidArgumentError(why);
  }
  ListeningSocket socket{.descriptor = -1, .is_v6 = false, .address = ""};
  int bind_error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr && socket.descriptor < 0;
       address = address->ai_next) {
    socket.descriptor = BindAndListen(*address);
    socket.is_v6 = address->ai_family == AF_INET6;
    if (socket.descriptor < 0) bind_error = errno;
  }
  freeaddrinfo(found);
  if (socket.descriptor < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", listen, ": ", strerror(bind_error)));
  }
  socket.address = LocalAddress(socket.descriptor);
  return socket;
}

}  // namespace turnpike::net
