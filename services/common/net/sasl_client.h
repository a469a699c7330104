// The client's half of a SASL exchange, as the SMTP client asks for it.
#ifndef TURNPIKE_SERVICES_COMMON_NET_SASL_CLIENT_H_
#define TURNPIKE_SERVICES_COMMON_NET_SASL_CLIENT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::net {

struct TlsFacts;

// One login; strand-confined.
class SaslClient {
 public:
  virtual ~SaslClient() = default;

  // Picks one of `offered` (upper case). `tls` is null on a connection in clear. Nothing when none
  // will do: passwords do not go out in clear, and a proof is not weaker than its owner allows.
  virtual std::optional<std::string> Choose(const std::vector<std::string>& offered,
                                            const TlsFacts* tls) = 0;

  // After Choose: the initial response; nothing when the mechanism begins with the server. An error
  // ends the exchange.
  virtual absl::StatusOr<std::optional<std::string>> Begin() = 0;

  // The answer to a challenge (both decoded). An error cancels the exchange: UNAUTHENTICATED when
  // the server could not prove itself.
  virtual absl::StatusOr<std::string> Respond(absl::string_view challenge) = 0;

  // The server has said 235. An error means that it has not proved itself as the mechanism demands:
  // the session must not go on.
  virtual absl::Status Finish() = 0;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_SASL_CLIENT_H_
