// The header that a balancer puts before a connection, without I/O: who the client really is.
// (PL-5) PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` describes them.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_HEADER_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/net/ip.h"

namespace turnpike::frontend {

// Version 1 is a line of at most so many octets, with its CRLF.
inline constexpr size_t kProxyLineBytesMax = 107;
// Version 2 in all: far more than the addresses and the records that balancers add. Larger ones are
// bad, as they would only keep us reading.
inline constexpr size_t kProxyBlockBytesMax = 4096;

// A client's address and port as the balancer saw them.
struct ProxyClient {
  net::IpAddress address;
  uint16_t port = 0;

  friend bool operator==(const ProxyClient&, const ProxyClient&) = default;
};

// Thread safety: thread-compatible. Pure.
class ProxyHeaderParser {
 public:
  enum class State {
    kNeedMore,
    kDone,
    kBad,  // no header, or one that cannot be understood; close the connection
  };

  // Takes octets of the header from the front of `bytes` and returns how many: never one that
  // follows it. Call while the state is kNeedMore, with anything but nothing.
  size_t Receive(absl::string_view bytes);

  State state() const { return state_; }
  // Once done. Nothing: the balancer speaks for itself (a health check), or does not know; the
  // connection's own address counts.
  const std::optional<ProxyClient>& client() const { return client_; }
  // Once bad: what is wrong, without anything that was received.
  absl::string_view error() const { return error_; }

 private:
  size_t ReceiveLine(absl::string_view bytes);
  size_t ReceiveBlock(absl::string_view bytes);
  void ParseLine();
  void ParseBlock();
  size_t BlockBytes() const;  // of the whole header; the fixed part until its length is known
  void Fail(absl::string_view error);

  State state_ = State::kNeedMore;
  std::string header_;  // what has come of it
  std::optional<ProxyClient> client_;
  absl::string_view error_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROXY_HEADER_H_
