// Client certificates, as a server sees them: asked for, checked, and read. (AU-13, EXTERNAL)
#ifndef TURNPIKE_SERVICES_COMMON_NET_TLS_CLIENT_CERTIFICATE_H_
#define TURNPIKE_SERVICES_COMMON_NET_TLS_CLIENT_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // and SSL
struct x509_st;     // and X509

namespace turnpike::net {

// Lets the server ask for a certificate by one of the authorities in the file (PEM). A client
// without one, or with another, is served all the same: HasGoodClientCertificate tells. Sessions
// are not resumed, so that each shows its certificate. Errors name the file, as
// TlsContext::ForServer's.
absl::Status AskForClientCertificate(ssl_ctx_st* context, const std::string& authorities_file);

// After the handshake: whether the client has one that leads to an authority, for the use as
// client, and valid now.
bool HasGoodClientCertificate(ssl_st* ssl);

// The rfc822Names among the alternative names, printable ASCII ones only, at most 16.
// [RFC5280 4.2.1.6]
std::vector<std::string> Rfc822NamesOf(x509_st* certificate);

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_TLS_CLIENT_CERTIFICATE_H_
