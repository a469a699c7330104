// A TCP socket whose waits end at deadlines: what Stream is built on.
#ifndef TURNPIKE_SERVICES_COMMON_NET_STREAM_SOCKET_H_
#define TURNPIKE_SERVICES_COMMON_NET_STREAM_SOCKET_H_

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace turnpike::net {

// One timer serves all operations: it is set when an operation ends before the time that it is set
// for, and looks again when it fires. So a dialogue with timeouts of minutes sets it every few
// minutes, not for each read and write.
//
// Strand-confined; one read-like and one write-like operation at a time. The coroutines run on a
// caller's shared_ptr: the socket must be kept until they are done.
class StreamSocket : public std::enable_shared_from_this<StreamSocket> {
 public:
  explicit StreamSocket(asio::ip::tcp::socket socket);

  // Opens and connects. `source` binds the local address, if it is not unspecified.
  asio::awaitable<absl::Status> Connect(asio::ip::tcp::endpoint endpoint, asio::ip::address source,
                                        absl::Time deadline);

  // At least one octet; 0 at the end of the stream.
  asio::awaitable<absl::StatusOr<size_t>> Read(absl::Span<char> buffer, absl::Time deadline);
  // All of `bytes`.
  asio::awaitable<absl::Status> Write(absl::string_view bytes, absl::Time deadline);

  // OK when a read or write would not block, or has an error to report.
  asio::awaitable<absl::Status> WaitReadable(absl::Time deadline);
  asio::awaitable<absl::Status> WaitWritable(absl::Time deadline);

  // What can be sent without waiting; 0: nothing.
  absl::StatusOr<size_t> TrySend(absl::string_view bytes);

  // From now on the kernel may keep what does not fill a packet until Close.
  void ExpectClose() { expects_close_ = true; }

  // Asked by each operation that need not wait: whether others on this thread should have a turn
  // first, by Yield.
  bool ShouldYield();
  asio::awaitable<void> Yield();

  void ShutdownWrites();
  void Close();

  bool is_closed() const { return closed_; }
  int descriptor() { return socket_.native_handle(); }
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  class Waiting;
  using WaitType = asio::ip::tcp::socket::wait_type;

  asio::awaitable<absl::Status> Wait(WaitType type, absl::Time* slot, absl::Time deadline);
  // Why an operation with this deadline was cancelled; OK if for another one's sake.
  absl::Status WhyCancelled(absl::Time deadline) const;
  void ArmTimer(absl::Time deadline);
  void OnTimer();

  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  absl::Time timer_time_ = absl::InfiniteFuture();     // that it is set for
  absl::Time read_deadline_ = absl::InfiniteFuture();  // of the waiting operations
  absl::Time write_deadline_ = absl::InfiniteFuture();
  int operations_without_wait_ = 0;
  bool is_at_end_ = false;  // of what the peer sends
  bool expects_close_ = false;
  bool closed_ = false;
};

// UNAVAILABLE for all that networks do; RESOURCE_EXHAUSTED when this process has run out of
// something.
absl::Status StatusOfNetworkError(int error, absl::string_view what);

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_STREAM_SOCKET_H_
