// Where the services are.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_TARGETS_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_TARGETS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/rpc/service_identity.h"

namespace turnpike::ctl {

// Its own name among the services' certificates.
inline constexpr char kOwnService[] = "turnpikectl";
inline constexpr char kDefaultConfig[] = "/etc/turnpike/turnpike.yaml";

// One service, and how a user says where it is.
struct ServiceInfo {
  const char* name;         // `spool-store`
  const char* proto;        // `turnpike.spool.v1`: the package of its RPCs
  const char* flag;         // `--spool-store`
  const char* environment;  // `TURNPIKE_SPOOL_STORE`
  const char* key;          // `services.spool_store.target`
  const config::v1::ServiceEndpoint& (*endpoint)(const config::v1::Services& services);
};

// All five.
absl::Span<const ServiceInfo> AllServices();
// The one that serves `turnpike.spool.v1.SpoolService.ListQueues`. Dies for any other name.
const ServiceInfo& ServiceOfMethod(absl::string_view method);

// Thread-compatible.
class Targets {
 public:
  struct Sources {
    std::map<std::string, std::string> flags;  // `--spool-store` to its value, where given
    std::string tls_directory;                 // --tls-directory; empty: not given
    std::string config;                        // --config; empty: not given
    // The environment: std::getenv, as a value.
    std::function<std::optional<std::string>(const char* name)> environment;
  };

  explicit Targets(Sources sources) : sources_(std::move(sources)) {}

  // The gRPC targets of a service, at least one: of its flag, else of its environment variable,
  // both with commas between several; else of the configuration (--config, TURNPIKE_CONFIG,
  // kDefaultConfig), which is read only then, and once. Those of spool-store are the shards, in the
  // order of their numbers. INVALID_ARGUMENT says how to name one; otherwise as LoadConfig.
  absl::StatusOr<std::vector<std::string>> Of(const ServiceInfo& service);

  // Whose certificate to show, and where it is: in the folder of --tls-directory, else of
  // TURNPIKE_TLS_DIRECTORY, else of the configuration's services.tls. Nothing: plain text, since
  // none of them says otherwise, or since there is no configuration that can be read. Otherwise as
  // LoadConfig.
  absl::StatusOr<std::optional<rpc::ServiceIdentity::Source>> Identity();

  // The configuration, read when it is first asked for. Without the secrets of the services, which
  // are none of ours and need not be readable. Errors as LoadConfig.
  const absl::StatusOr<config::v1::Config>& Config();

 private:
  const Sources sources_;
  std::optional<absl::StatusOr<config::v1::Config>> config_;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_TARGETS_H_
