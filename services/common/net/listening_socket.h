// A listening TCP socket from the host:port of a configuration.
#ifndef TURNPIKE_SERVICES_COMMON_NET_LISTENING_SOCKET_H_
#define TURNPIKE_SERVICES_COMMON_NET_LISTENING_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::net {

struct ListeningSocket {
  int descriptor;  // non-blocking, closed on exec; the caller closes it
  bool is_v6;
  std::string address;  // `127.0.0.1:40123`, `[::1]:40123`
};

// `listen`: `192.0.2.1:25`, `[2001:db8::1]:25`, `localhost:25`, `:25` (any address); port 0 picks
// one. Looks up a name, so it may block. `[::]` listens for IPv4 too. SO_REUSEADDR is set. Errors:
//   INVALID_ARGUMENT  not host:port, or no such host.
//   UNAVAILABLE       the address cannot be bound.
absl::StatusOr<ListeningSocket> ListenTcp(absl::string_view listen);

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_LISTENING_SOCKET_H_
