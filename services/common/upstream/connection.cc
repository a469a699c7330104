#include "services/common/upstream/connection.h"

#include <asio/ip/tcp.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/sasl_client.h"
#include "services/common/net/tls_context.h"
#include "services/common/upstream/resolve.h"

namespace turnpike::upstream {
namespace {

using Cause = net::SmtpSessionEnd::Cause;

constexpr absl::Duration kResolveTimeout = absl::Seconds(20);
constexpr absl::Duration kConnectTimeout = absl::Seconds(20);  // for each address
constexpr size_t kAddressesMax = 8;                            // that are tried

Ending Unreachable(std::string detail) {
  return {.ending = dequeue::v1::RUN_ENDING_UNREACHABLE, .detail = std::move(detail)};
}

absl::string_view CauseText(Cause cause) {
  switch (cause) {
    case Cause::kQuit:
      return "";
    case Cause::kRefused:
      return "it refuses to talk to us";
    case Cause::kServiceClosing:
      return "it closes";
    case Cause::kProtocolError:
      return "it does not speak SMTP";
    case Cause::kDisconnected:
      return "the connection broke";
    case Cause::kTimeout:
      return "it does not answer";
    case Cause::kTlsNotOffered:
      return "it does not offer STARTTLS";
    case Cause::kTlsRefused:
      return "it refuses STARTTLS";
    case Cause::kTlsFailed:
      return "no TLS with it";
    case Cause::kAuthNotOffered:
      return "it offers no AUTH mechanism that may be used";
    case Cause::kAuthFailed:
      return "the login failed";
    case Cause::kAborted:
    case Cause::kUnsendableContent:
    case Cause::kTurned:
      return "";
  }
  return "";
}

// Whether the reply of such an end is the peer's own.
bool IsByPeer(Cause cause) {
  return cause == Cause::kRefused || cause == Cause::kServiceClosing ||
         cause == Cause::kTlsRefused || cause == Cause::kAuthFailed;
}

}  // namespace

absl::StatusOr<Server> Server::Create(const std::string& host, uint32_t port,
                                      config::v1::ConnectionTls tls,
                                      const std::string& authorities_file,
                                      const config::v1::Login* login) {
  Server server{.host = host, .port = static_cast<uint16_t>(port)};
  switch (tls) {
    case config::v1::CONNECTION_TLS_NONE:
      break;
    case config::v1::CONNECTION_TLS_OPPORTUNISTIC:
      server.tls = net::SmtpTls::kOpportunistic;
      break;
    case config::v1::CONNECTION_TLS_IMPLICIT:
      server.tls = net::SmtpTls::kImplicit;
      break;
    default:
      server.tls = net::SmtpTls::kRequired;
      break;
  }
  if (server.tls == net::SmtpTls::kOpportunistic) {
    TURNPIKE_ASSIGN_OR_RETURN(server.tls_context, net::TlsContext::ForUnverifyingClient());
  } else if (server.tls != net::SmtpTls::kNone) {
    TURNPIKE_ASSIGN_OR_RETURN(server.tls_context,
                              net::TlsContext::ForVerifyingClient(authorities_file));
  }
  if (login != nullptr) {
    server.login = net::SaslCredentials{.user = login->username(),
                                        .password = login->password(),
                                        .allow_clear_text = login->allow_cleartext()};
  }
  return server;
}

Ending EndingOf(const net::SmtpSessionEnd& end, bool has_greeted) {
  using namespace dequeue::v1;  // NOLINT: the names are long enough
  Ending ending{.detail = std::string(CauseText(end.cause))};
  if (IsByPeer(end.cause)) {
    ending.reply = end.reply;
  } else if (!end.reply.text().empty() && !ending.detail.empty()) {
    absl::StrAppend(&ending.detail, ": ", end.reply.text());
  }
  switch (end.cause) {
    case Cause::kQuit:
    case Cause::kTurned:
      ending.ending = RUN_ENDING_COMPLETED;
      break;
    case Cause::kRefused:
      ending.ending = end.reply.is_transient() ? RUN_ENDING_NOT_NOW : RUN_ENDING_REFUSED;
      break;
    case Cause::kServiceClosing:
      ending.ending = RUN_ENDING_NOT_NOW;
      break;
    case Cause::kTlsNotOffered:
    case Cause::kTlsRefused:
    case Cause::kTlsFailed:
      ending.ending = RUN_ENDING_TLS_FAILED;
      break;
    case Cause::kAuthNotOffered:
      ending.ending = RUN_ENDING_AUTH_FAILED;
      break;
    case Cause::kAuthFailed:
      // [RFC4954 6] 454 and other 4xx say nothing about the login.
      ending.ending = end.reply.is_transient() ? RUN_ENDING_NOT_NOW : RUN_ENDING_AUTH_FAILED;
      break;
    case Cause::kDisconnected:
    case Cause::kTimeout:
    case Cause::kProtocolError:
      ending.ending = has_greeted ? RUN_ENDING_LOST : RUN_ENDING_UNREACHABLE;
      break;
    case Cause::kAborted:
    case Cause::kUnsendableContent:
      ending.ending = RUN_ENDING_LOST;
      break;
  }
  return ending;
}

Connection::Connection(const Server& server, std::string host_name)
    : server_(server), host_name_(std::move(host_name)) {}

Connection::~Connection() = default;

asio::awaitable<std::optional<Ending>> Connection::Open() {
  std::optional<Ending> failure = co_await Connect();
  if (failure.has_value()) co_return failure;
  if (server_.login.has_value()) sasl_ = net::CreatePasswordSaslClient(*server_.login);
  net::SmtpClientOptions options;
  options.engine.host_name = host_name_;
  options.tls = server_.tls;
  options.tls_context = server_.tls_context;
  options.tls_peer.server_name = server_.host;
  options.sasl = sasl_.get();
  client_ = std::make_unique<net::SmtpClient>(*stream_, std::move(options));
  const std::optional<net::SmtpSessionEnd> end = co_await client_->Open();
  if (!end.has_value()) co_return std::nullopt;
  co_return ending();
}

asio::awaitable<std::optional<Ending>> Connection::Connect() {
  const absl::StatusOr<std::vector<asio::ip::tcp::endpoint>> endpoints =
      co_await Resolve(server_.host, server_.port, absl::Now() + kResolveTimeout);
  if (!endpoints.ok()) co_return Unreachable(std::string(endpoints.status().message()));
  absl::Status status;
  size_t left = kAddressesMax;
  for (const asio::ip::tcp::endpoint& endpoint : *endpoints) {
    if (is_aborted_ || left-- == 0) break;
    absl::StatusOr<std::unique_ptr<net::Stream>> stream =
        co_await net::Stream::Connect(endpoint, absl::Now() + kConnectTimeout);
    status = stream.status();
    if (!status.ok()) continue;
    stream_ = *std::move(stream);
    break;
  }
  if (is_aborted_) co_return Unreachable("given up here");
  if (stream_ == nullptr) co_return Unreachable(std::string(status.message()));
  co_return std::nullopt;
}

Ending Connection::ending() const {
  if (!client_->end().has_value()) return {.ending = dequeue::v1::RUN_ENDING_LOST};
  Ending ending = EndingOf(*client_->end(), client_->engine().greeting().code() != 0);
  if (is_aborted_) ending.detail = "given up here";
  return ending;
}

std::unique_ptr<net::Stream> Connection::TakeStream() {
  client_ = nullptr;
  return std::move(stream_);
}

void Connection::Abort() {
  is_aborted_ = true;
  if (stream_ != nullptr) stream_->Close();
}

}  // namespace turnpike::upstream
