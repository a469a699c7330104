// Logs in with a user name and a password, by libgsasl.
#ifndef TURNPIKE_SERVICES_COMMON_NET_PASSWORD_SASL_CLIENT_H_
#define TURNPIKE_SERVICES_COMMON_NET_PASSWORD_SASL_CLIENT_H_

#include <memory>
#include <string>

#include "services/common/net/sasl_client.h"

namespace turnpike::net {

struct SaslCredentials {
  std::string user;
  std::string password;
  // PLAIN and LOGIN on a connection without TLS, where nothing better is offered.
  bool allow_clear_text = false;
};

// Uses, of what is offered, the first of SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, and with TLS (or
// allow_clear_text) PLAIN, LOGIN. A SCRAM server must prove that it knows the password too, and may
// not ask for more than 500,000 iterations, which would take a thread for a while. For one login.
std::unique_ptr<SaslClient> CreatePasswordSaslClient(SaslCredentials credentials);

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_PASSWORD_SASL_CLIENT_H_
