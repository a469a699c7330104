// What TLS sessions of one kind have in common: certificate, key, trust, protocol versions.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLS_CONTEXT_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLS_CONTEXT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/net/tls_session_cache.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace turnpike::net {

// TLS 1.2 or later, ciphers with authentication and without known weakness, no renegotiation, no
// compression. Immutable, thread-safe. A changed certificate is a new context; sessions that began
// with the old one keep it.
class TlsContext {
 public:
  struct ServerFiles {
    std::string certificate_file;  // PEM: the certificate, then its chain
    std::string key_file;          // PEM, without a password
    // PEM: the authorities of client certificates that are asked for. Empty: none are. Clients
    // without one are served all the same.
    std::string client_authorities_file;
  };
  // Errors name the file: NOT_FOUND or PERMISSION_DENIED when it cannot be read, INVALID_ARGUMENT
  // when it holds something else, or when key and certificate do not match.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForServer(const ServerFiles& files);

  // Takes any certificate: for opportunistic TLS, where the alternative is none.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForUnverifyingClient();

  // Insists on a certificate for the server's name from an authority in `authorities_file` (PEM);
  // empty: those of the system. Errors as ForServer's.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForVerifyingClient(
      const std::string& authorities_file);

  // Insists on a certificate that the peer's TLSA records describe (TlsPeer.tlsa). [RFC7672]
  static absl::StatusOr<std::shared_ptr<const TlsContext>> ForDaneClient();

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  bool verifies_peer() const { return verifies_peer_; }
  bool is_dane() const { return is_dane_; }
  // Sessions that clients of this context may resume; null for servers.
  TlsSessionCache* sessions() const { return sessions_.get(); }
  ssl_ctx_st* native() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  static absl::StatusOr<std::shared_ptr<TlsContext>> Create(bool is_server);

  ssl_ctx_st* const context_;
  bool verifies_peer_ = false;
  bool is_dane_ = false;
  std::unique_ptr<TlsSessionCache> sessions_;
};

// The first error in OpenSSL's queue of this thread, as text; empties the queue.
std::string TakeTlsError();

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLS_CONTEXT_H_
