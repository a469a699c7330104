// Accepts TCP connections and spreads them over the I/O threads. Goes on after descriptors have run
// out: it pauses then, and connections wait in the kernel's queue.
#ifndef TURNPIKE_SERVICES_COMMON_NET_LISTENER_H_
#define TURNPIKE_SERVICES_COMMON_NET_LISTENER_H_

#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace turnpike::net {

class IoThreads;

// Thread-safe.
class Listener {
 public:
  // Called on the I/O thread that the socket belongs to. TCP_NODELAY is set.
  using OnSocket = std::function<void(asio::ip::tcp::socket socket)>;

  // Listens on `listen` and accepts from now on. Errors as ListenTcp's (listening_socket.h).
  // `threads` outlive the listener.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(const std::string& listen,
                                                         IoThreads& threads, OnSocket on_socket);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();  // stops

  // Stops accepting, soon. A call of `on_socket` may still be running when this returns, or begin
  // just then; whoever cannot have that checks a flag of its own.
  void Stop();

  const std::string& address() const;  // `127.0.0.1:40123`, the real port
  uint16_t port() const;
  // How often accepting has paused because descriptors or memory had run out.
  int64_t pause_count() const;

 private:
  class Loop;
  explicit Listener(std::shared_ptr<Loop> loop);
  const std::shared_ptr<Loop> loop_;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_LISTENER_H_
