// Reads the header that a balancer puts before a connection, and not one octet more: what follows
// may be TLS. (PL-5)
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_READER_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_READER_H_

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/smtp-frontend/listener/proxy_header.h"

namespace turnpike::frontend {

// Nothing: the connection's own address counts. Errors:
//   INVALID_ARGUMENT   no header, or a bad one.
//   DEADLINE_EXCEEDED  it had not come by `deadline`.
//   UNAVAILABLE        the connection ended before, or `socket` was closed here.
asio::awaitable<absl::StatusOr<std::optional<ProxyClient>>> ReadProxyHeader(
    std::shared_ptr<asio::ip::tcp::socket> socket, absl::Time deadline);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_READER_H_
