// Sets a client up for what a demand says: which TLS, and how the host shows who it is.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_CLIENTS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_CLIENTS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/tls_context.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/security/tls_demand.h"

namespace turnpike::delivery {

// Thread-safe.
class TlsClients {
 public:
  // `authorities_file`: PEM, for certificates that are checked; empty: the system's. Errors as
  // TlsContext's.
  static absl::StatusOr<std::unique_ptr<TlsClients>> Create(const std::string& authorities_file);

  struct Use {
    const TlsDemand& demand;
    const Hop& hop;
    const std::string& next_hop;  // the domain whose host it is; empty: the host itself was named
    bool is_implicit = false;     // TLS from the first octet
  };
  // Sessions with a host are resumed, but not under DANE, whose records may have changed.
  void Apply(const Use& use, net::SmtpClientOptions* options) const;

 private:
  using Context = std::shared_ptr<const net::TlsContext>;

  TlsClients(Context unverifying, Context verifying, Context dane);

  const Context unverifying_;
  const Context verifying_;
  const Context dane_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_CLIENTS_H_
