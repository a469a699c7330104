// OpenSSL on one connection: reads records straight from the socket, gathers those to be written.
// Knows no waiting; Stream does that.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/common/net/stream.h"
#include "services/common/net/tls_peer.h"

struct ssl_st;  // OpenSSL's SSL
struct bio_st;  // and BIO
struct bio_method_st;

namespace turnpike::net {

// Thread-compatible.
class TlsSession {
 public:
  enum class Result {
    kDone,
    kWantRead,  // wait until the socket is readable, then try again
    kClosed,    // the peer has closed in order
    kFailed,    // error() says why
  };

  static absl::StatusOr<std::unique_ptr<TlsSession>> ForServer(
      std::shared_ptr<const TlsContext> context, int descriptor);
  // INVALID_ARGUMENT when the context checks certificates and `peer` does not say what for.
  static absl::StatusOr<std::unique_ptr<TlsSession>> ForClient(
      std::shared_ptr<const TlsContext> context, int descriptor, TlsPeer peer);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  // Each of these may append to output(), also when it fails (an alert).
  Result Handshake();
  Result Read(absl::Span<char> buffer, size_t* count);
  // Encrypts `bytes`, at most 16 KiB, as one record. kDone or kFailed.
  Result Write(absl::string_view bytes);
  void Shutdown();  // close_notify

  // Records for the peer. Whoever has sent some of them says so.
  absl::string_view output() const;
  void ConsumeOutput(size_t bytes);

  // UNAVAILABLE when the connection broke, UNAUTHENTICATED when the peer's certificate is not good,
  // FAILED_PRECONDITION when the two sides have no common ground or the peer does not speak TLS.
  const absl::Status& error() const { return error_; }

  TlsFacts Facts() const;  // after the handshake

 private:
  TlsSession(std::shared_ptr<const TlsContext> context, int descriptor);
  absl::Status SetPeer(const TlsPeer& peer);
  absl::Status SetTlsaRecords(const TlsPeer& peer);
  static absl::StatusOr<std::unique_ptr<TlsSession>> Create(
      std::shared_ptr<const TlsContext> context, int descriptor);

  static const bio_method_st* SocketMethod();
  static int ReadFromSocket(bio_st* bio, char* bytes, int size);
  static int AppendToOutput(bio_st* bio, const char* bytes, int size);

  Result ResultOf(int returned, absl::string_view what);

  const std::shared_ptr<const TlsContext> context_;
  const int descriptor_;
  ssl_st* ssl_ = nullptr;
  int socket_error_ = 0;     // of the last read from the socket that failed
  std::string session_key_;  // the connection's datum in OpenSSL
  std::string output_;
  size_t output_sent_ = 0;
  absl::Status error_;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLS_SESSION_H_
