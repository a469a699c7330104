// Accepts TCP connections for a gRPC server, on a thread of its own. gRPC 1.51's listener stops for
// good once it has run out of descriptors (CVE-2023-4785); this one pauses and goes on.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_ACCEPTOR_H_
#define TURNPIKE_SERVICES_COMMON_RPC_ACCEPTOR_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::rpc {

// Thread-compatible; the callback comes from the acceptor's thread.
class Acceptor {
 public:
  struct Options {
    std::string listen;             // host:port, `[::1]:port`; port 0 picks one
    size_t connections_max = 1000;  // > 0
  };
  // Takes over a connected, non-blocking descriptor, which its new owner closes one day.
  using OnConnection = std::function<void(int descriptor)>;

  // Binds and listens; connections wait until Start. UNAVAILABLE when the address cannot be bound,
  // INVALID_ARGUMENT when it is none.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Options& options);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();  // stops

  // Once.
  void Start(OnConnection on_connection);
  // Stops listening; no callback comes after it has returned. May be called again.
  void Stop();

  const std::string& address() const { return address_; }  // `127.0.0.1:40123`

 private:
  // A connection that was handed on. Its new owner closes it without a word; a descriptor that is
  // closed, or has become another file, is seen by its inode.
  struct Connection {
    int descriptor;
    ino_t inode;
  };

  Acceptor(int listener, int wake_up, std::string address, size_t connections_max);

  void Run();
  // Accepts what is there. How long to pause before the next time: zero unless something has run
  // out.
  absl::Duration AcceptAll();
  void HandOn(int descriptor);
  void ForgetClosedConnections();

  int listener_;       // -1 once closed
  const int wake_up_;  // an eventfd
  const std::string address_;
  const size_t connections_max_;
  OnConnection on_connection_;
  std::vector<Connection> connections_;  // the thread's own
  absl::Time next_count_ = absl::InfinitePast();
  std::thread thread_;
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_ACCEPTOR_H_
