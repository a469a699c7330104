#include "services/smtp-frontend/listener/proxy_reader.h"

#include <sys/socket.h>

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "services/common/net/await_token.h"

namespace turnpike::frontend {
namespace {

constexpr size_t kPeekBytes = 256;  // most headers are shorter

// Moves what is there of the header from the socket to the parser. False: nothing is there.
absl::StatusOr<bool> Take(asio::ip::tcp::socket& socket, ProxyHeaderParser& parser) {
  char buffer[kPeekBytes];
  const int descriptor = socket.native_handle();
  const ssize_t count = recv(descriptor, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count <= 0) return absl::UnavailableError("the connection ended before its PROXY header");
  const size_t used = parser.Receive(absl::string_view(buffer, static_cast<size_t>(count)));
  if (parser.state() == ProxyHeaderParser::State::kBad) {
    return absl::InvalidArgumentError(parser.error());
  }
  // It was there a moment ago, and nobody else reads.
  if (recv(descriptor, buffer, used, MSG_DONTWAIT) != static_cast<ssize_t>(used)) {
    return absl::UnavailableError("the connection broke within its PROXY header");
  }
  return true;
}

}  // namespace

asio::awaitable<absl::StatusOr<std::optional<ProxyClient>>> ReadProxyHeader(
    std::shared_ptr<asio::ip::tcp::socket> socket, absl::Time deadline) {
  ProxyHeaderParser parser;
  asio::steady_timer timer(socket->get_executor());
  // A little late rather than early, so that the deadline has passed when it fires.
  timer.expires_after(
      absl::ToChronoMilliseconds(std::max(deadline - absl::Now(), absl::ZeroDuration())) +
      std::chrono::milliseconds(1));
  timer.async_wait([weak = std::weak_ptr(socket)](const asio::error_code& error) {
    asio::error_code ignored;
    const std::shared_ptr<asio::ip::tcp::socket> still_open = error ? nullptr : weak.lock();
    if (still_open != nullptr) still_open->cancel(ignored);
  });
  while (parser.state() == ProxyHeaderParser::State::kNeedMore) {
    if (!socket->is_open()) co_return absl::UnavailableError("the connection was closed");
    absl::StatusOr<bool> taken = Take(*socket, parser);
    if (!taken.ok()) co_return taken.status();
    if (*taken) continue;
    if (deadline <= absl::Now()) co_return absl::DeadlineExceededError("no PROXY header in time");
    // Whatever this says, the next look at the socket and the clock says why.
    co_await socket->async_wait(asio::ip::tcp::socket::wait_read, net::kAwait);
  }
  co_return parser.client();
}

}  // namespace turnpike::frontend
