#include "services/common/net/stream.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/net/stream_socket.h"
#include "services/common/net/tls_context.h"
#include "services/common/net/tls_session.h"

namespace turnpike::net {
namespace {

constexpr size_t kRecordBytesMax = 16 * 1024;  // [RFC8446 5.1]
// Records gathered before they are sent.
constexpr size_t kOutputBytesMax = 64 * 1024;
constexpr absl::Duration kCloseTimeout = absl::Seconds(1);
// What a peer may still send after our end of the stream.
constexpr size_t kDiscardedBytesMax = 64 * 1024;

const TlsFacts& NoTlsFacts() {
  static const TlsFacts* const facts = new TlsFacts;
  return *facts;
}

// What goes into the next record.
absl::string_view NextRecord(absl::string_view bytes, bool one_line_per_record) {
  bytes = bytes.substr(0, kRecordBytesMax);
  if (!one_line_per_record) return bytes;
  const size_t newline = bytes.find('\n');
  return newline == absl::string_view::npos ? bytes : bytes.substr(0, newline + 1);
}

}  // namespace

// The coroutines are static and hold what they work on, so that the Stream may be destroyed while
// they wait.
class Stream::Impl {
 public:
  Impl(asio::ip::tcp::socket socket, asio::ip::tcp::endpoint remote)
      : socket_(std::make_shared<StreamSocket>(std::move(socket))), remote_(std::move(remote)) {}

  static asio::awaitable<absl::StatusOr<std::unique_ptr<Stream>>> Connect(
      asio::ip::tcp::endpoint endpoint, asio::ip::address source, absl::Time deadline) {
    asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
    auto stream = std::make_unique<Stream>(std::move(socket));
    absl::Status connected = co_await stream->impl_->socket_->Connect(endpoint, source, deadline);
    if (!connected.ok()) co_return connected;
    stream->impl_->remote_ = endpoint;
    co_return stream;
  }

  static asio::awaitable<absl::StatusOr<size_t>> ReadClear(std::shared_ptr<StreamSocket> socket,
                                                           absl::Span<char> buffer,
                                                           absl::Time deadline) {
    co_return co_await socket->Read(buffer, deadline);
  }

  static asio::awaitable<absl::Status> WriteClear(std::shared_ptr<StreamSocket> socket,
                                                  absl::string_view bytes, absl::Time deadline) {
    co_return co_await socket->Write(bytes, deadline);
  }

  static asio::awaitable<absl::StatusOr<size_t>> ReadTls(std::shared_ptr<Impl> self,
                                                         absl::Span<char> buffer,
                                                         absl::Time deadline) {
    StreamSocket& socket = *self->socket_;
    if (socket.ShouldYield()) co_await socket.Yield();
    while (true) {
      if (socket.is_closed()) co_return absl::CancelledError("the stream was closed");
      size_t count = 0;
      const TlsSession::Result result = self->tls_->Read(buffer, &count);
      absl::Status answered = self->SendAnswers();
      switch (result) {
        case TlsSession::Result::kDone:
          co_return count;
        case TlsSession::Result::kClosed:
          co_return size_t{0};
        case TlsSession::Result::kFailed:
          co_return self->tls_->error();
        case TlsSession::Result::kWantRead:
          break;
      }
      if (!answered.ok()) co_return answered;
      absl::Status readable = co_await socket.WaitReadable(deadline);
      if (!readable.ok()) co_return readable;
    }
  }

  static asio::awaitable<absl::Status> WriteTls(std::shared_ptr<Impl> self, absl::string_view bytes,
                                                absl::Time deadline) {
    StreamSocket& socket = *self->socket_;
    if (socket.ShouldYield()) co_await socket.Yield();
    while (!bytes.empty()) {
      if (socket.is_closed()) co_return absl::CancelledError("the stream was closed");
      const absl::string_view record = NextRecord(bytes, self->one_line_per_record_);
      if (self->tls_->Write(record) != TlsSession::Result::kDone) co_return self->tls_->error();
      bytes.remove_prefix(record.size());
      if (!bytes.empty() && self->tls_->output().size() < kOutputBytesMax) continue;
      absl::Status sent = co_await Flush(self, deadline);
      if (!sent.ok()) co_return sent;
    }
    co_return absl::OkStatus();
  }

  static asio::awaitable<absl::Status> Handshake(
      std::shared_ptr<Impl> self, absl::StatusOr<std::unique_ptr<TlsSession>> session,
      absl::Time deadline) {
    if (!session.ok()) co_return session.status();
    StreamSocket& socket = *self->socket_;
    if (socket.is_closed()) co_return absl::CancelledError("the stream was closed");
    self->tls_ = *std::move(session);
    while (true) {
      const TlsSession::Result result = self->tls_->Handshake();
      absl::Status sent = co_await Flush(self, deadline);
      if (result == TlsSession::Result::kFailed) co_return self->tls_->error();
      if (result == TlsSession::Result::kClosed) {
        co_return absl::UnavailableError("TLS handshake: the peer hung up");
      }
      if (!sent.ok()) co_return sent;
      if (result == TlsSession::Result::kDone) break;
      absl::Status readable = co_await socket.WaitReadable(deadline);
      if (!readable.ok()) co_return readable;
    }
    self->tls_facts_ = self->tls_->Facts();
    co_return absl::OkStatus();
  }

  static asio::awaitable<void> CloseGracefully(std::shared_ptr<Impl> self) {
    StreamSocket& socket = *self->socket_;
    if (socket.is_closed()) co_return;
    const absl::Time deadline = absl::Now() + kCloseTimeout;
    bool writable = true;
    if (self->tls_ != nullptr) {
      self->tls_->Shutdown();
      writable = (co_await Flush(self, deadline)).ok();
    }
    if (writable) {
      socket.ShutdownWrites();
      co_await Discard(self->socket_, deadline);
    }
    socket.Close();
  }

  StreamSocket& socket() { return *socket_; }
  const std::shared_ptr<StreamSocket>& shared_socket() { return socket_; }
  bool has_tls() const { return tls_ != nullptr; }
  const TlsFacts& tls_facts() const { return has_tls() ? tls_facts_ : NoTlsFacts(); }
  void set_one_line_per_record(bool value) { one_line_per_record_ = value; }
  const asio::ip::tcp::endpoint& remote() const { return remote_; }
  asio::ip::tcp::endpoint local() const {
    asio::error_code ignored;
    return socket_->socket().local_endpoint(ignored);
  }

 private:
  // Sends all records that are gathered.
  static asio::awaitable<absl::Status> Flush(std::shared_ptr<Impl> self, absl::Time deadline) {
    while (true) {
      absl::StatusOr<size_t> sent = self->socket_->TrySend(self->tls_->output());
      if (!sent.ok()) co_return sent.status();
      self->tls_->ConsumeOutput(*sent);
      if (self->tls_->output().empty()) co_return absl::OkStatus();
      absl::Status writable = co_await self->socket_->WaitWritable(deadline);
      if (!writable.ok()) co_return writable;
    }
  }

  // Reading makes TLS answer now and then (a key update). Those answers go out when they can; a
  // peer that asks for them and does not take them is given up.
  absl::Status SendAnswers() {
    if (tls_->output().empty()) return absl::OkStatus();
    absl::StatusOr<size_t> sent = socket_->TrySend(tls_->output());
    if (!sent.ok()) return sent.status();
    tls_->ConsumeOutput(*sent);
    if (tls_->output().size() > 2 * kOutputBytesMax) {
      return absl::UnavailableError("TLS read: the peer does not take our answers");
    }
    return absl::OkStatus();
  }

  // Unread input at the time of a close would make it a reset, which may take from the peer what we
  // sent last.
  static asio::awaitable<void> Discard(std::shared_ptr<StreamSocket> socket, absl::Time deadline) {
    char buffer[2048];
    size_t total = 0;
    while (total < kDiscardedBytesMax) {
      absl::StatusOr<size_t> count = co_await socket->Read(absl::MakeSpan(buffer), deadline);
      if (!count.ok() || *count == 0) co_return;
      total += *count;
    }
  }

  const std::shared_ptr<StreamSocket> socket_;
  std::unique_ptr<TlsSession> tls_;
  TlsFacts tls_facts_;
  bool one_line_per_record_ = false;
  asio::ip::tcp::endpoint remote_;
};

Stream::Stream(asio::ip::tcp::socket socket) {
  asio::error_code ignored;
  asio::ip::tcp::endpoint remote;
  if (socket.is_open()) remote = socket.remote_endpoint(ignored);
  impl_ = std::make_shared<Impl>(std::move(socket), std::move(remote));
}

Stream::Stream(asio::ip::tcp::socket socket, const asio::ip::tcp::endpoint& remote)
    : impl_(std::make_shared<Impl>(std::move(socket), remote)) {}

Stream::~Stream() { Close(); }

asio::awaitable<absl::StatusOr<std::unique_ptr<Stream>>> Stream::Connect(
    asio::ip::tcp::endpoint endpoint, absl::Time deadline, asio::ip::address source) {
  return Impl::Connect(std::move(endpoint), std::move(source), deadline);
}

asio::awaitable<absl::StatusOr<size_t>> Stream::Read(absl::Span<char> buffer, absl::Time deadline) {
  return has_tls() ? Impl::ReadTls(impl_, buffer, deadline)
                   : Impl::ReadClear(impl_->shared_socket(), buffer, deadline);
}

asio::awaitable<absl::Status> Stream::Write(absl::string_view bytes, absl::Time deadline) {
  return has_tls() ? Impl::WriteTls(impl_, bytes, deadline)
                   : Impl::WriteClear(impl_->shared_socket(), bytes, deadline);
}

asio::awaitable<absl::Status> Stream::StartTlsAsServer(std::shared_ptr<const TlsContext> context,
                                                       absl::Time deadline) {
  return Impl::Handshake(
      impl_, TlsSession::ForServer(std::move(context), impl_->socket().descriptor()), deadline);
}

asio::awaitable<absl::Status> Stream::StartTlsAsClient(std::shared_ptr<const TlsContext> context,
                                                       TlsPeer peer, absl::Time deadline) {
  return Impl::Handshake(
      impl_,
      TlsSession::ForClient(std::move(context), impl_->socket().descriptor(), std::move(peer)),
      deadline);
}

bool Stream::has_tls() const { return impl_->has_tls(); }

const TlsFacts& Stream::tls_facts() const { return impl_->tls_facts(); }

void Stream::set_one_line_per_record(bool value) { impl_->set_one_line_per_record(value); }

void Stream::ExpectClose() { impl_->socket().ExpectClose(); }

void Stream::Close() { impl_->socket().Close(); }

asio::awaitable<void> Stream::CloseGracefully() { return Impl::CloseGracefully(impl_); }

asio::ip::tcp::endpoint Stream::remote_endpoint() const { return impl_->remote(); }

asio::ip::tcp::endpoint Stream::local_endpoint() const { return impl_->local(); }

asio::any_io_executor Stream::executor() const { return impl_->socket().socket().get_executor(); }

}  // namespace turnpike::net
