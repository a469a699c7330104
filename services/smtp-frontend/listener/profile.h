// What a configured listener is to its sessions.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROFILE_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROFILE_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/tls_context.h"
#include "services/smtp-frontend/session/environment.h"

namespace turnpike::frontend {

// `config` is complete and checked; `listener` is one of its listeners. Reads the certificate and
// the key; errors as TlsContext::ForServer's, with the listener's name. Metrics and domain classes
// are not set.
absl::StatusOr<ListenerProfile> MakeProfile(const config::v1::Config& config,
                                            const config::v1::Listener& listener);

// When the certificate of `tls` ends.
absl::Time CertificateEnd(const net::TlsContext& tls);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_PROFILE_H_
