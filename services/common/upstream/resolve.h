// The addresses of a server that the configuration names.
#ifndef TURNPIKE_SERVICES_COMMON_UPSTREAM_RESOLVE_H_
#define TURNPIKE_SERVICES_COMMON_UPSTREAM_RESOLVE_H_

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::upstream {

// `host` is an IP address or a name, which the system's resolver looks up (nsswitch.conf: hosts
// file, DNS) in the order that it prefers. At least one address. Errors:
//   NOT_FOUND          the name has none.
//   UNAVAILABLE        the resolver could not say.
//   DEADLINE_EXCEEDED  it has not answered; it goes on in the background for a while.
asio::awaitable<absl::StatusOr<std::vector<asio::ip::tcp::endpoint>>> Resolve(std::string host,
                                                                              uint16_t port,
                                                                              absl::Time deadline);

}  // namespace turnpike::upstream

#endif  // TURNPIKE_SERVICES_COMMON_UPSTREAM_RESOLVE_H_
