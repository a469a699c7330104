#include "services/common/net/listener.h"

#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/net/await_token.h"
#include "services/common/net/io_threads.h"
#include "services/common/net/listening_socket.h"

namespace turnpike::net {
namespace {

constexpr std::chrono::milliseconds kPause(50);

// Whether the connection that was next is at fault, rather than this process or machine.
bool IsOfOneConnection(const asio::error_code& error) {
  return error == asio::error::connection_aborted || error == asio::error::interrupted ||
         error == asio::error::try_again;
}

}  // namespace

class Listener::Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop(IoThreads& threads, OnSocket on_socket)
      : threads_(threads),
        home_(threads.Next()),
        acceptor_(home_),
        timer_(home_),
        on_socket_(std::move(on_socket)) {}

  absl::Status Begin(const std::string& listen) {
    absl::StatusOr<ListeningSocket> socket = ListenTcp(listen);
    if (!socket.ok()) return socket.status();
    asio::error_code error;
    acceptor_.assign(socket->is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                     socket->descriptor, error);
    if (error) {
      ::close(socket->descriptor);
      return absl::UnavailableError(absl::StrCat(listen, ": ", error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    address_ = std::move(socket->address);
    // The coroutine ends by Stop only; asio reports an exception of its own by ending the process.
    asio::co_spawn(home_, Run(shared_from_this()), asio::detached);
    return absl::OkStatus();
  }

  void Stop() {
    if (stopped_.exchange(true)) return;
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
    while (!self->stopped_) {
      asio::io_context& target = self->threads_.Next();
      auto [error, socket] = co_await self->acceptor_.async_accept(target, kAwait);
      if (!error) {
        self->HandOver(target, std::move(socket));
      } else if (!IsOfOneConnection(error) && !self->stopped_) {
        self->pause_count_.fetch_add(1, std::memory_order_relaxed);
        self->timer_.expires_after(kPause);
        co_await self->timer_.async_wait(kAwait);
      }
    }
  }

  void HandOver(asio::io_context& target, asio::ip::tcp::socket socket) {
    asio::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    asio::post(target, [self = shared_from_this(), socket = std::move(socket)]() mutable {
      if (!self->stopped_) self->on_socket_(std::move(socket));
    });
  }

  IoThreads& threads_;
  asio::io_context& home_;  // of the acceptor and the timer
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  const OnSocket on_socket_;
  std::string address_;
  uint16_t port_ = 0;
  std::atomic<bool> stopped_{false};
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
