// Our logins at other servers, by the names that routes know them by. The secrets stay here; plans,
// destinations and logs carry names only. Pure but for a password file that the configuration's
// loader leaves to others.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_LOGINS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_LOGINS_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::delivery {

struct Login {
  std::string username;
  std::string password;
  bool allow_cleartext = false;
};

// Names:
//   gateways/<domain>/etrn           etrn.auth of the gateway (DQ-15)
//   smart_host                       delivery.smart_host.auth (DL-22)
//   routes/<number>/smart_host       of delivery.routes[<number>].smart_host
//   accounts/<address>/smart_host    the account's own (DL-24), or its address and mail password
//                                    (DL-25)
//
// Thread safety: immutable; thread-safe.
class Logins {
 public:
  Logins() = default;
  // INVALID_ARGUMENT when a mail password that is to serve as a login (DL-25) is not there in
  // clear; an error of the file when it stands in one that cannot be read.
  static absl::StatusOr<Logins> FromConfig(const config::v1::Config& config);

  // Null when there is none of this name.
  const Login* Find(absl::string_view name) const;

 private:
  absl::flat_hash_map<std::string, Login> by_name_;
};

std::string GatewayLoginName(absl::string_view domain);
std::string RouteLoginName(int number);
std::string AccountLoginName(absl::string_view address);
inline constexpr char kSmartHostLoginName[] = "smart_host";

// The password in clear (the `{PLAIN}` line) among an account's verifiers; empty when there is
// none.
std::string PlainPassword(absl::string_view verifiers);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_LOGINS_H_
