#include "services/outbound-delivery/security/tls_clients.h"

#include <utility>

#include "services/common/base/status_macros.h"

namespace turnpike::delivery {

absl::StatusOr<std::unique_ptr<TlsClients>> TlsClients::Create(
    const std::string& authorities_file) {
  TURNPIKE_ASSIGN_OR_RETURN(Context unverifying, net::TlsContext::ForUnverifyingClient());
  TURNPIKE_ASSIGN_OR_RETURN(Context verifying,
                            net::TlsContext::ForVerifyingClient(authorities_file));
  TURNPIKE_ASSIGN_OR_RETURN(Context dane, net::TlsContext::ForDaneClient());
  return std::unique_ptr<TlsClients>(
      new TlsClients(std::move(unverifying), std::move(verifying), std::move(dane)));
}

TlsClients::TlsClients(Context unverifying, Context verifying, Context dane)
    : unverifying_(std::move(unverifying)),
      verifying_(std::move(verifying)),
      dane_(std::move(dane)) {}

void TlsClients::Apply(const Use& use, net::SmtpClientOptions* options) const {
  const Hop& hop = use.hop;
  net::TlsPeer& peer = options->tls_peer;
  // A name is sent, an address never [RFC6066 3]; but a certificate may be checked for one.
  if (hop.host != hop.address.ToString()) peer.server_name = hop.host;
  peer.session_key = hop.ToString();
  options->tls = net::SmtpTls::kRequired;
  options->tls_context = unverifying_;
  switch (use.demand.level) {
    case TlsDemand::Level::kNone:
      options->tls = net::SmtpTls::kNone;
      return;
    case TlsDemand::Level::kOpportunistic:
      options->tls = net::SmtpTls::kOpportunistic;
      return;
    case TlsDemand::Level::kEncrypted:
      return;
    case TlsDemand::Level::kVerified:
      options->tls_context = verifying_;
      peer.server_name = hop.host;
      if (use.is_implicit) options->tls = net::SmtpTls::kImplicit;
      return;
    case TlsDemand::Level::kDane:
      options->tls_context = dane_;
      if (use.is_implicit) options->tls = net::SmtpTls::kImplicit;
      peer = {.server_name = hop.host, .tlsa = use.demand.tlsa, .other_name = use.next_hop};
      return;
  }
}

}  // namespace turnpike::delivery
