// Asks one server whether it takes mail for an address, and sends none. (AU-20)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ADDRESS_PROBE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ADDRESS_PROBE_H_

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/common/net/tls_context.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

struct ProbeTarget {
  std::string host;  // a name, or an address without brackets
  uint16_t port = 25;
  bool is_lmtp = false;
};

struct ProbeOptions {
  std::string host_name;                               // ours, for EHLO
  absl::Duration timeout;                              // for all of it
  std::shared_ptr<const net::TlsContext> tls_context;  // used where the server offers STARTTLS
};

enum class ProbeAnswer {
  kFound,
  kNotFound,  // refused for good (5xx)
  kNoAnswer,  // not reached in time, no SMTP, or "later" (4xx)
};

// MAIL FROM:<>, RCPT TO:<address>. Ends about when the timeout does; only a name that is being
// resolved can hold it longer.
asio::awaitable<ProbeAnswer> ProbeAddress(ProbeOptions options, ProbeTarget target,
                                          smtp::Mailbox address);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SHARING_ADDRESS_PROBE_H_
