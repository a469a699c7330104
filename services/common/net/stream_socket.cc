#include "services/common/net/stream_socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/await_token.h"

namespace turnpike::net {
namespace {

// Operations in a row that a stream may do without waiting, before others on its thread have a
// turn.
constexpr int kOperationsWithoutWaitMax = 16;
// The timer looks at the deadlines this often at least, whatever the clock has been set to
// meanwhile.
constexpr absl::Duration kTimerMax = absl::Hours(1);

absl::Status Cancelled() { return absl::CancelledError("the stream was closed"); }

}  // namespace

absl::Status StatusOfNetworkError(int error, absl::string_view what) {
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Makes the deadline of a waiting operation known while it waits.
class StreamSocket::Waiting {
 public:
  Waiting(StreamSocket* socket, absl::Time* slot, absl::Time deadline) : slot_(slot) {
    *slot_ = deadline;
    socket->operations_without_wait_ = 0;
    if (deadline < socket->timer_time_) socket->ArmTimer(deadline);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { *slot_ = absl::InfiniteFuture(); }

 private:
  absl::Time* const slot_;
};

StreamSocket::StreamSocket(asio::ip::tcp::socket socket)
    : socket_(std::move(socket)), timer_(socket_.get_executor()) {
  asio::error_code ignored;
  if (socket_.is_open()) socket_.native_non_blocking(true, ignored);
}

asio::awaitable<absl::Status> StreamSocket::Connect(asio::ip::tcp::endpoint endpoint,
                                                    asio::ip::address source, absl::Time deadline) {
  asio::error_code error;
  socket_.open(endpoint.protocol(), error);
  if (!error) socket_.native_non_blocking(true, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (!error && !source.is_unspecified()) {
    socket_.bind(asio::ip::tcp::endpoint(source, 0), error);
  }
  if (error) co_return StatusOfNetworkError(error.value(), "cannot open a socket");
  const Waiting waiting(this, &write_deadline_, deadline);
  auto [connect_error] = co_await socket_.async_connect(endpoint, kAwait);
  if (!connect_error) co_return absl::OkStatus();
  if (connect_error == asio::error::operation_aborted) {
    absl::Status why = WhyCancelled(deadline);
    co_return why.ok() ? Cancelled() : why;
  }
  co_return StatusOfNetworkError(connect_error.value(), "connect");
}

asio::awaitable<absl::StatusOr<size_t>> StreamSocket::Read(absl::Span<char> buffer,
                                                           absl::Time deadline) {
  if (closed_) co_return Cancelled();
  if (is_at_end_) co_return size_t{0};  // asio would wait for news that will never come
  if (deadline <= absl::Now()) {
    // Too late to wait, not for what is there.
    const ssize_t received = recv(descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received >= 0) co_return static_cast<size_t>(received);
    if (errno != EAGAIN && errno != EINTR) co_return StatusOfNetworkError(errno, "read");
    co_return absl::DeadlineExceededError("read");
  }
  const Waiting waiting(this, &read_deadline_, deadline);
  while (true) {
    auto [error, count] =
        co_await socket_.async_read_some(asio::buffer(buffer.data(), buffer.size()), kAwait);
    if (!error) co_return count;
    if (error == asio::error::eof) {
      is_at_end_ = true;
      co_return size_t{0};
    }
    if (error != asio::error::operation_aborted) {
      co_return StatusOfNetworkError(error.value(), "read");
    }
    absl::Status why = WhyCancelled(deadline);
    if (!why.ok()) co_return why;
  }
}

asio::awaitable<absl::Status> StreamSocket::Write(absl::string_view bytes, absl::Time deadline) {
  if (ShouldYield()) co_await Yield();
  while (true) {
    absl::StatusOr<size_t> sent = TrySend(bytes);
    if (!sent.ok()) co_return sent.status();
    bytes.remove_prefix(*sent);
    if (bytes.empty()) co_return absl::OkStatus();
    absl::Status writable = co_await WaitWritable(deadline);
    if (!writable.ok()) co_return writable;
  }
}

asio::awaitable<absl::Status> StreamSocket::WaitReadable(absl::Time deadline) {
  return Wait(WaitType::wait_read, &read_deadline_, deadline);
}

asio::awaitable<absl::Status> StreamSocket::WaitWritable(absl::Time deadline) {
  return Wait(WaitType::wait_write, &write_deadline_, deadline);
}

asio::awaitable<absl::Status> StreamSocket::Wait(WaitType type, absl::Time* slot,
                                                 absl::Time deadline) {
  if (closed_) co_return Cancelled();
  if (deadline <= absl::Now()) {
    co_return absl::DeadlineExceededError(type == WaitType::wait_read ? "read" : "write");
  }
  const Waiting waiting(this, slot, deadline);
  while (true) {
    auto [error] = co_await socket_.async_wait(type, kAwait);
    if (error != asio::error::operation_aborted) {
      // Any other error shows in the operation that was waited for.
      co_return closed_ ? Cancelled() : absl::OkStatus();
    }
    absl::Status why = WhyCancelled(deadline);
    if (!why.ok()) co_return why;
  }
}

absl::StatusOr<size_t> StreamSocket::TrySend(absl::string_view bytes) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (expects_close_ ? MSG_MORE : 0);
  size_t total = 0;
  while (!bytes.empty()) {
    if (closed_) return Cancelled();
    const ssize_t sent = send(descriptor(), bytes.data(), bytes.size(), flags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      return StatusOfNetworkError(errno, "write");
    }
    total += static_cast<size_t>(sent);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return total;
}

bool StreamSocket::ShouldYield() { return ++operations_without_wait_ > kOperationsWithoutWaitMax; }

asio::awaitable<void> StreamSocket::Yield() {
  operations_without_wait_ = 0;
  return asio::post(socket_.get_executor(), asio::use_awaitable);
}

void StreamSocket::ShutdownWrites() {
  asio::error_code ignored;
  if (!closed_) socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void StreamSocket::Close() {
  if (closed_) return;
  // What the kernel still has goes out with the FIN, even if the close becomes a reset because of
  // input that nobody has read.
  if (expects_close_) ShutdownWrites();
  closed_ = true;
  timer_.cancel();
  asio::error_code ignored;
  socket_.close(ignored);
}

absl::Status StreamSocket::WhyCancelled(absl::Time deadline) const {
  if (closed_) return Cancelled();
  if (deadline <= absl::Now()) return absl::DeadlineExceededError("the peer was too slow");
  return absl::OkStatus();
}

void StreamSocket::ArmTimer(absl::Time deadline) {
  const absl::Time now = absl::Now();
  const absl::Duration wait = std::clamp(deadline - now, absl::ZeroDuration(), kTimerMax);
  timer_time_ = now + wait;
  // A little late rather than early, so that the deadline has passed when it fires.
  timer_.expires_after(absl::ToChronoMilliseconds(wait) + std::chrono::milliseconds(1));
  timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error) self->OnTimer();
  });
}

void StreamSocket::OnTimer() {
  if (closed_) return;
  timer_time_ = absl::InfiniteFuture();
  const absl::Time next = std::min(read_deadline_, write_deadline_);
  if (next == absl::InfiniteFuture()) return;
  if (next > absl::Now()) {
    ArmTimer(next);
    return;
  }
  // Both operations end; the one whose time has not come finds that out, and waits again.
  asio::error_code ignored;
  socket_.cancel(ignored);
  const absl::Time other = std::max(read_deadline_, write_deadline_);
  if (other != absl::InfiniteFuture()) ArmTimer(other);
}

}  // namespace turnpike::net
