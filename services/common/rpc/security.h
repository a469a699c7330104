// How a process proves to the other services who it is, and lets in only those that it needs:
// mutual TLS with certificates that are replaced while it runs. (PL-40)
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SECURITY_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SECURITY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/rpc/callers.h"
#include "services/common/rpc/service_identity.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc
namespace prometheus {
class Registry;
}

namespace turnpike::rpc {

// Where the files of `service` are by services.tls, which is set.
ServiceIdentity::Source IdentitySource(const config::v1::Services& services,
                                       const std::string& service);

// Mutual TLS for the servers and channels of one process. It outlives them. Where a pointer to one
// is asked for, null means plain text. Thread-safe.
class Security {
 public:
  // How often the files are looked at. A new certificate is in use after twice this time at most.
  static constexpr absl::Duration kRefreshInterval = absl::Seconds(10);

  struct Options {
    ServiceIdentity::Source identity;
    absl::Duration refresh_interval = kRefreshInterval;  // at least 1 s
    prometheus::Registry* registry = nullptr;            // null: no metrics
    // Who may call what; tests have methods of their own. Thread-safe.
    bool (*may_call)(absl::string_view method, absl::string_view caller) = MayCall;
  };

  // Reads and checks the files, with ServiceIdentity::Read's errors, and watches them from then on:
  // a new identity is taken up if it is as good, else a line of the log says why not and the old
  // one stays. Connections that are there already go on with what they began with.
  static absl::StatusOr<std::unique_ptr<Security>> Create(const Options& options);

  // The same as the configuration says; null when services.tls is not set. `service` is the
  // process's own name.
  static absl::StatusOr<std::unique_ptr<Security>> Create(const config::v1::Services& services,
                                                          const std::string& service,
                                                          prometheus::Registry* registry);

  virtual ~Security() = default;

  // Trusts a server whose certificate is of the authorities and has the target's host as a name.
  virtual std::shared_ptr<grpc::ChannelCredentials> ForChannel() const = 0;
  // Lets in clients with a certificate of the authorities, and these to what MayCall says. All
  // others are refused (PERMISSION_DENIED), logged and counted.
  virtual std::shared_ptr<grpc::ServerCredentials> ForServer() const = 0;
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SECURITY_H_
