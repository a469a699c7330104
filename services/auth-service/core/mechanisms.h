// Which mechanisms a listener offers, and how each begins. (AU-13, DQ-33)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_MECHANISMS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_MECHANISMS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/auth-service/core/login_directory.h"
#include "services/auth-service/core/sasl_exchange.h"

namespace turnpike::auth {

enum class Mechanism {
  kScramSha256Plus,
  kScramSha1Plus,
  kScramSha256,
  kScramSha1,
  kExternal,
  kCramMd5,
  kPlain,
  kLogin
};

// What mechanisms depend on, of a listener and of the configuration.
struct ListenerTraits {
  v1::ListenerRole role = v1::LISTENER_ROLE_UNSPECIFIED;
  bool odmr = false;  // ATRN is answered here; always so for the role odmr
  bool allow_cleartext_auth = false;
  bool cram_md5 = false;  // auth.cram_md5
};

absl::string_view MechanismName(Mechanism mechanism);
std::optional<Mechanism> FindMechanism(absl::string_view name);  // upper case, as offered

// Whom the mechanism serves there. Accounts have no business on a pure ODMR listener. CRAM-MD5 is
// for gateways on ODMR listeners, and for everybody everywhere only when switched on.
Audience AudienceOf(Mechanism mechanism, const ListenerTraits& listener);

// What is known of a session when mechanisms are offered to it.
struct SessionTraits {
  bool tls = false;
  bool has_certificate = false;  // the client's, with an address in it
};

// Those that some login could use there, best first.
std::vector<Mechanism> OfferedMechanisms(const ListenerTraits& listener,
                                         const SessionTraits& session,
                                         const LoginDirectory& directory);
bool IsBound(Mechanism mechanism);  // to the TLS session: `-PLUS`

std::unique_ptr<SaslExchange> MakeExchange(Mechanism mechanism, SaslInput input);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_MECHANISMS_H_
