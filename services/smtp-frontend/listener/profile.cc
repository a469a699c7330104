#include "services/smtp-frontend/listener/profile.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/smtp-frontend/session/content.h"

namespace turnpike::frontend {
namespace {

using config::v1::Gateway;

auth::v1::ListenerRole RoleOf(config::v1::ListenerRole role) {
  switch (role) {
    case config::v1::LISTENER_ROLE_SMTP:
      return auth::v1::LISTENER_ROLE_SMTP;
    case config::v1::LISTENER_ROLE_SUBMISSION:
      return auth::v1::LISTENER_ROLE_SUBMISSION;
    case config::v1::LISTENER_ROLE_SUBMISSIONS:
      return auth::v1::LISTENER_ROLE_SUBMISSIONS;
    case config::v1::LISTENER_ROLE_ODMR:
      return auth::v1::LISTENER_ROLE_ODMR;
    default:
      return auth::v1::LISTENER_ROLE_UNSPECIFIED;
  }
}

smtp::ServerRole EngineRoleOf(config::v1::ListenerRole role) {
  switch (role) {
    case config::v1::LISTENER_ROLE_SUBMISSION:
    case config::v1::LISTENER_ROLE_SUBMISSIONS:
      return smtp::ServerRole::kSubmission;
    case config::v1::LISTENER_ROLE_ODMR:
      return smtp::ServerRole::kOdmr;
    default:
      return smtp::ServerRole::kRelay;
  }
}

// Offered only where honoured. (PL-2)
smtp::Capabilities OfferOf(const config::v1::Config& config, const config::v1::Listener& listener) {
  smtp::Capabilities offer;
  offer.enhanced_status_codes = true;
  offer.start_tls = listener.has_tls() && !listener.implicit_tls();
  if (listener.role() == config::v1::LISTENER_ROLE_ODMR) {
    offer.atrn = true;  // and no mail from the client [RFC2645 5]
    return offer;
  }
  offer.atrn = listener.odmr();
  // (DQ-10)
  offer.etrn = std::any_of(config.gateways().begin(), config.gateways().end(),
                           [](const Gateway& gateway) { return gateway.etrn().enabled(); });
  offer.pipelining = true;
  offer.eight_bit_mime = true;
  offer.smtp_utf8 = true;
  offer.dsn = true;
  offer.chunking = true;
  offer.binary_mime = true;
  offer.help = true;
  offer.vrfy = true;
  offer.require_tls = true;  // under TLS only [RFC8689 2]
  offer.size = true;
  offer.size_bytes_max = listener.message_bytes_max() > 0 ? listener.message_bytes_max()
                                                          : config.smtp().message_bytes_max();
  return offer;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

Timeouts TimeoutsOf(const config::v1::Smtp& smtp) {
  return {.idle = FromProto(smtp.idle_timeout()),
          .data = FromProto(smtp.data_timeout()),
          .store = FromProto(smtp.store_timeout()),
          .policy = FromProto(smtp.policy_timeout())};
}

}  // namespace

absl::StatusOr<ListenerProfile> MakeProfile(const config::v1::Config& config,
                                            const config::v1::Listener& listener) {
  ListenerProfile profile;
  profile.name = listener.name();
  profile.role = RoleOf(listener.role());
  profile.implicit_tls = listener.implicit_tls();
  profile.timeouts = TimeoutsOf(config.smtp());
  profile.options.host_name = config.hostname();
  profile.options.role = EngineRoleOf(listener.role());
  profile.options.offered = OfferOf(config, listener);
  profile.options.content_chunk_bytes = Content::kSpillBytes;
  profile.options.content.received_count_max = config.smtp().received_fields_max();
  profile.options.recipients_max = config.smtp().recipients_max();
  profile.options.errors_max = config.smtp().errors_max();
  profile.options.auth_failures_max = config.smtp().auth_failures_max();
  if (listener.has_tls()) {
    absl::StatusOr<std::shared_ptr<const net::TlsContext>> tls = net::TlsContext::ForServer(
        {.certificate_file = listener.tls().certificate_file(),
         .key_file = listener.tls().key_file(),
         .client_authorities_file = listener.tls().client_authorities_file()});
    if (!tls.ok()) {
      return absl::Status(tls.status().code(),
                          absl::StrCat("listener ", listener.name(), ": ", tls.status().message()));
    }
    profile.tls = *std::move(tls);
  }
  if (profile.implicit_tls && profile.tls == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("listener ", listener.name(), ": implicit TLS without a certificate"));
  }
  return profile;
}

absl::Time CertificateEnd(const net::TlsContext& tls) {
  const X509* certificate = SSL_CTX_get0_certificate(tls.native());
  std::tm end{};
  ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end);
  return absl::FromTM(end, absl::UTCTimeZone());
}

}  // namespace turnpike::frontend
