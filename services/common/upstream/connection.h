// Our sessions at servers that hold mail for us and are named in the configuration: how to reach
// them and log in. Used by the ODMR client (DQ-50) and by the ETRN client (DQ-51).
#ifndef TURNPIKE_SERVICES_COMMON_UPSTREAM_CONNECTION_H_
#define TURNPIKE_SERVICES_COMMON_UPSTREAM_CONNECTION_H_

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/login.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/net/password_sasl_client.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"

namespace turnpike::upstream {

// Where a server is, and how to speak to it. Immutable.
struct Server {
  std::string host;  // a name or an IP address, as the certificate must have it
  uint16_t port = 0;
  net::SmtpTls tls = net::SmtpTls::kNone;
  std::shared_ptr<const net::TlsContext> tls_context;  // null with kNone
  std::optional<net::SaslCredentials> login;           // unset: none

  // Of the configuration's keys; `login` may be null. Errors as TlsContext::ForVerifyingClient's.
  static absl::StatusOr<Server> Create(const std::string& host, uint32_t port,
                                       config::v1::ConnectionTls tls,
                                       const std::string& authorities_file,
                                       const config::v1::Login* login);
};

// Why there is no session, or how it ended.
struct Ending {
  dequeue::v1::RunEnding ending = dequeue::v1::RUN_ENDING_UNSPECIFIED;
  smtp::Reply reply;   // the peer's last words; code 0: none
  std::string detail;  // ours
};

// `has_greeted` tells a server that cannot be reached from one that was lost.
Ending EndingOf(const net::SmtpSessionEnd& end, bool has_greeted);

// Strand-confined to the executor of the coroutine that calls Open.
class Connection {
 public:
  // `host_name` is ours, for EHLO. `server` outlives the connection.
  Connection(const Server& server, std::string host_name);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Looks the name up, connects to the first of its addresses that answers, and does what the
  // client does before the first request: greeting, EHLO, TLS, AUTH. Nothing: client() is ready.
  asio::awaitable<std::optional<Ending>> Open();

  net::SmtpClient& client() { return *client_; }  // after Open
  // How the client's session ended; after it has.
  Ending ending() const;
  // The stream, to be served, once the client's session has turned. Nothing else works after.
  std::unique_ptr<net::Stream> TakeStream();

  // Ends a session or an attempt soon, from the same executor.
  void Abort();

 private:
  asio::awaitable<std::optional<Ending>> Connect();

  const Server& server_;
  const std::string host_name_;
  bool is_aborted_ = false;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<net::SaslClient> sasl_;
  std::unique_ptr<net::SmtpClient> client_;
};

}  // namespace turnpike::upstream

#endif  // TURNPIKE_SERVICES_COMMON_UPSTREAM_CONNECTION_H_
