// An open session with a host, as it goes from one user to the next.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_H_

#include <memory>
#include <string>

#include "services/common/net/sasl_client.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"
#include "services/outbound-delivery/resolve/resolver.h"

namespace asio {
class io_context;
}

namespace turnpike::delivery {

struct Connection {
  Hop hop;
  std::string host;  // `mx1.example.org [192.0.2.1]:25`
  std::string key;   // ConnectionKey: whose mail it can carry
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::SaslClient> sasl;  // null: no AUTH
  std::unique_ptr<net::SmtpClient> client;
  const char* tls_policy = "";  // TlsPolicyName
  // Whose thread the stream belongs to; null: the coroutine's that has opened it.
  asio::io_context* context = nullptr;
  int messages = 0;  // sent, or tried
  int answered = 0;  // of these, told their fate by the peer
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_H_
