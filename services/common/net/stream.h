// A TCP connection that may become a TLS one, as a coroutine's byte stream. Used by the SMTP
// server, the SMTP client, and both sides of an ATRN session (the same object after the turn).
//
// Strand-confined: all calls on the executor that the stream was made for, one read and one write
// at a time. Every wait ends at its deadline with DEADLINE_EXCEEDED; a deadline in the past still
// takes what is there already. After any error the stream is only good for Close.
#ifndef TURNPIKE_SERVICES_COMMON_NET_STREAM_H_
#define TURNPIKE_SERVICES_COMMON_NET_STREAM_H_

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "services/common/net/tls_peer.h"

namespace turnpike::net {

class TlsContext;

// What a handshake agreed on.
struct TlsFacts {
  std::string protocol;      // TLSv1.3
  std::string cipher;        // TLS_AES_256_GCM_SHA384
  std::string peer_subject;  // of the peer's certificate; empty without one
  bool peer_verified = false;
  // The rfc822Names of a client's verified certificate (ServerFiles.client_authorities_file).
  std::vector<std::string> client_addresses;
  bool is_resumed = false;               // an earlier session goes on, without a new key exchange
  std::string exporter_binding;          // RFC 9266 tls-exporter, 32 octets; TLS 1.3 only
  std::string server_end_point_binding;  // RFC 5929
};

class Stream {
 public:
  // Takes over an accepted or connected socket.
  explicit Stream(asio::ip::tcp::socket socket);
  // The same, with whom it counts as connected to: where that is known already, or is a client
  // behind a balancer.
  Stream(asio::ip::tcp::socket socket, const asio::ip::tcp::endpoint& remote);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // Connects; UNAVAILABLE when refused or unreachable, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED when
  // descriptors have run out. `source` binds the local address unless it is the unspecified one.
  // The stream belongs to the executor of the awaiting coroutine.
  static asio::awaitable<absl::StatusOr<std::unique_ptr<Stream>>> Connect(
      asio::ip::tcp::endpoint endpoint, absl::Time deadline,
      asio::ip::address source = asio::ip::address());

  // Reads at least one octet into `buffer`, which is not empty; 0 means the peer has closed in
  // order. UNAVAILABLE: the connection broke.
  asio::awaitable<absl::StatusOr<size_t>> Read(absl::Span<char> buffer, absl::Time deadline);

  // Writes all of `bytes`, which must stay valid until then.
  asio::awaitable<absl::Status> Write(absl::string_view bytes, absl::Time deadline);

  // The next Write in clear is the last, and Close follows at once: it may wait for that, so that
  // its last octets and the end of the stream reach the peer in one packet.
  void ExpectClose();

  // Handshakes, as one side of TLS from here on; has_tls() is true even when it fails, so that
  // nothing is ever read or written in clear after it. The caller has discarded what it read in
  // clear before; what the socket still has belongs to TLS. No read or write may be waiting.
  // Errors:
  //   UNAUTHENTICATED      the peer's certificate is not good (verifying contexts only).
  //   FAILED_PRECONDITION  no common protocol or cipher, an alert, or the peer does not speak TLS.
  //   UNAVAILABLE          the connection broke.
  asio::awaitable<absl::Status> StartTlsAsServer(std::shared_ptr<const TlsContext> context,
                                                 absl::Time deadline);
  // INVALID_ARGUMENT when the context checks certificates and `peer` does not say what for.
  asio::awaitable<absl::Status> StartTlsAsClient(std::shared_ptr<const TlsContext> context,
                                                 TlsPeer peer, absl::Time deadline);
  bool has_tls() const;
  const TlsFacts& tls_facts() const;  // empty without TLS

  // Write each line in a TLS record of its own: fetchmail's ODMR client reads line by line from the
  // record that it has, and waits for the network when more is buffered (dequeue.md, field facts).
  void set_one_line_per_record(bool value);

  // Closes at once, without TLS or TCP ceremony beyond a FIN; pending operations end with
  // CANCELLED.
  void Close();
  // Sends close_notify and FIN where that works within a second, discards what the peer still
  // sends, then closes. No read or write may be waiting.
  asio::awaitable<void> CloseGracefully();

  asio::ip::tcp::endpoint remote_endpoint() const;  // as it was at construction
  asio::ip::tcp::endpoint local_endpoint() const;   // the unspecified one once it is closed
  asio::any_io_executor executor() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with waiting operations, which end when the stream does
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_STREAM_H_
