#include "services/common/net/listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/net/await_token.h"
#include "services/common/net/io_threads.h"
#include "services/common/net/listening_socket.h"

namespace turnpike::net {
namespace {

constexpr std::chrono::milliseconds kPause(50);
// Connections taken in a row before others on the thread have a turn.
constexpr int kBatchMax = 64;

// Closes what nobody has taken over.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

// What a connection on its way to its thread needs. It has nothing of asio's: it may be destroyed
// with that thread's context when the acceptor's is gone already.
struct Receiver {
  Listener::OnSocket on_socket;
  std::atomic<bool> stopped{false};
};

// On the thread of `target`.
void Receive(Receiver& receiver, asio::io_context& target, const asio::ip::tcp& protocol,
             Descriptor descriptor) {
  if (receiver.stopped) return;
  asio::ip::tcp::socket socket(target);
  asio::error_code error;
  const int number = descriptor.Release();
  socket.assign(protocol, number, error);
  if (error) {
    close(number);
    return;
  }
  receiver.on_socket(std::move(socket));
}

}  // namespace

class Listener::Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop(IoThreads& threads, OnSocket on_socket)
      : threads_(threads),
        home_(threads.Next()),
        acceptor_(home_),
        timer_(home_),
        receiver_(std::make_shared<Receiver>()) {
    receiver_->on_socket = std::move(on_socket);
  }

  absl::Status Begin(const std::string& listen) {
    absl::StatusOr<ListeningSocket> socket = ListenTcp(listen);
    if (!socket.ok()) return socket.status();
    asio::error_code error;
    acceptor_.assign(socket->is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), socket->descriptor,
                     error);
    if (error) {
      close(socket->descriptor);
      return absl::UnavailableError(absl::StrCat(listen, ": ", error.message()));
    }
    const asio::ip::tcp::endpoint local = acceptor_.local_endpoint(error);
    protocol_ = local.protocol();
    port_ = local.port();
    address_ = std::move(socket->address);
    // The coroutine ends by Stop only; asio reports an exception of its own by ending the process.
    asio::co_spawn(home_, Run(shared_from_this()), asio::detached);
    return absl::OkStatus();
  }

  void Stop() {
    if (receiver_->stopped.exchange(true)) return;
    asio::post(home_, [self = shared_from_this()] {
      asio::error_code ignored;
      self->acceptor_.close(ignored);
      self->timer_.cancel();
    });
  }

  const std::string& address() const { return address_; }
  uint16_t port() const { return port_; }
  int64_t pause_count() const { return pause_count_.load(std::memory_order_relaxed); }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<Loop> self) {
    while (!self->receiver_->stopped) {
      co_await self->acceptor_.async_wait(asio::ip::tcp::acceptor::wait_read, kAwait);
      const bool may_go_on = self->AcceptSome();
      if (may_go_on) continue;
      self->pause_count_.fetch_add(1, std::memory_order_relaxed);
      self->timer_.expires_after(kPause);
      co_await self->timer_.async_wait(kAwait);
    }
  }

  // False when something has run out, or the network is down: it will pass.
  bool AcceptSome() {
    for (int i = 0; i < kBatchMax && !receiver_->stopped; ++i) {
      const int descriptor =
          accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        HandOver(Descriptor(descriptor));
      } else if (errno == EAGAIN) {
        return true;
      } else if (errno != ECONNABORTED && errno != EINTR) {
        return false;
      }
    }
    return true;
  }

  void HandOver(Descriptor descriptor) {
    asio::io_context& target = threads_.Next();
    if (&target == &home_) return Receive(*receiver_, target, *protocol_, std::move(descriptor));
    asio::post(target, [receiver = receiver_, &target, protocol = *protocol_,
                        descriptor = std::move(descriptor)]() mutable {
      Receive(*receiver, target, protocol, std::move(descriptor));
    });
  }

  IoThreads& threads_;
  asio::io_context& home_;  // of the acceptor and the timer
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  const std::shared_ptr<Receiver> receiver_;
  std::optional<asio::ip::tcp> protocol_;  // of the listening socket; set by Begin
  std::string address_;
  uint16_t port_ = 0;
  std::atomic<int64_t> pause_count_{0};
};

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(const std::string& listen,
                                                          IoThreads& threads, OnSocket on_socket) {
  auto loop = std::make_shared<Loop>(threads, std::move(on_socket));
  absl::Status begun = loop->Begin(listen);
  if (!begun.ok()) return begun;
  return std::unique_ptr<Listener>(new Listener(std::move(loop)));
}

Listener::Listener(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}

Listener::~Listener() { Stop(); }

void Listener::Stop() { loop_->Stop(); }

const std::string& Listener::address() const { return loop_->address(); }

uint16_t Listener::port() const { return loop_->port(); }

int64_t Listener::pause_count() const { return loop_->pause_count(); }

}  // namespace turnpike::net
