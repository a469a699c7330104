#include "services/turnpikectl/connection/targets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"
#include "services/common/config/loader.h"
#include "services/common/rpc/security.h"

namespace turnpike::ctl {
namespace {

using config::v1::ServiceEndpoint;
using config::v1::Services;

constexpr std::array<ServiceInfo, 5> kServices = {{
    {.name = "spool-store",
     .proto = "turnpike.spool.v1",
     .flag = "--spool-store",
     .environment = "TURNPIKE_SPOOL_STORE",
     .key = "services.spool_store.target",
     .endpoint = [](const Services& services) -> const ServiceEndpoint& {
       return services.spool_store();
     }},
    {.name = "gateway-dequeue",
     .proto = "turnpike.dequeue.v1",
     .flag = "--gateway-dequeue",
     .environment = "TURNPIKE_GATEWAY_DEQUEUE",
     .key = "services.gateway_dequeue.target",
     .endpoint = [](const Services& services) -> const ServiceEndpoint& {
       return services.gateway_dequeue();
     }},
    {.name = "auth-service",
     .proto = "turnpike.auth.v1",
     .flag = "--auth-service",
     .environment = "TURNPIKE_AUTH_SERVICE",
     .key = "services.auth_service.target",
     .endpoint = [](const Services& services) -> const ServiceEndpoint& {
       return services.auth_service();
     }},
    {.name = "smtp-frontend",
     .proto = "turnpike.frontend.v1",
     .flag = "--smtp-frontend",
     .environment = "TURNPIKE_SMTP_FRONTEND",
     .key = "services.smtp_frontend.target",
     .endpoint = [](const Services& services) -> const ServiceEndpoint& {
       return services.smtp_frontend();
     }},
    {.name = "outbound-delivery",
     .proto = "turnpike.delivery.v1",
     .flag = "--outbound-delivery",
     .environment = "TURNPIKE_OUTBOUND_DELIVERY",
     .key = "services.outbound_delivery.target",
     .endpoint = [](const Services& services) -> const ServiceEndpoint& {
       return services.outbound_delivery();
     }},
}};

absl::Status Nowhere(const ServiceInfo& service, const absl::Status& reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("nobody says where ", service.name, " is: ", reason.message(),
                   "; name a configuration with --config or TURNPIKE_CONFIG, or the service with ",
                   service.flag, " HOST:PORT"));
}

}  // namespace

absl::Span<const ServiceInfo> AllServices() { return kServices; }

const ServiceInfo& ServiceOfMethod(absl::string_view method) {
  const auto found = std::find_if(kServices.begin(), kServices.end(), [&](const ServiceInfo& info) {
    return absl::StartsWith(method, absl::StrCat(info.proto, "."));
  });
  TURNPIKE_CHECK(found != kServices.end(), method);
  return *found;
}

absl::StatusOr<std::vector<std::string>> Targets::Of(const ServiceInfo& service) {
  std::string given;
  if (const auto flag = sources_.flags.find(service.flag); flag != sources_.flags.end()) {
    given = flag->second;
  } else {
    given = sources_.environment(service.environment).value_or("");
  }
  const std::vector<std::string> targets =
      absl::StrSplit(given, absl::ByAnyChar(", "), absl::SkipEmpty());
  if (!targets.empty()) return targets;
  const absl::StatusOr<config::v1::Config>& config = Config();
  if (config.ok()) {
    const auto& shards = config->spool().shards();
    if (&service == &kServices.front() && !shards.empty()) {
      return std::vector<std::string>(shards.begin(), shards.end());
    }
    return std::vector<std::string>{service.endpoint(config->services()).target()};
  }
  if (absl::IsNotFound(config.status())) return Nowhere(service, config.status());
  return config.status();
}

absl::StatusOr<std::optional<rpc::ServiceIdentity::Source>> Targets::Identity() {
  std::string directory = sources_.tls_directory;
  if (directory.empty()) directory = sources_.environment("TURNPIKE_TLS_DIRECTORY").value_or("");
  if (!directory.empty()) {
    return rpc::ServiceIdentity::Source{.service = kOwnService, .directory = directory};
  }
  const absl::StatusOr<config::v1::Config>& config = Config();
  if (absl::IsNotFound(config.status()) || absl::IsPermissionDenied(config.status())) {
    return std::nullopt;
  }
  TURNPIKE_RETURN_IF_ERROR(config.status());
  if (!config->services().has_tls()) return std::nullopt;
  return rpc::IdentitySource(config->services(), kOwnService);
}

const absl::StatusOr<config::v1::Config>& Targets::Config() {
  if (config_.has_value()) return *config_;
  std::string path = sources_.config;
  if (path.empty()) path = sources_.environment("TURNPIKE_CONFIG").value_or("");
  if (path.empty()) path = kDefaultConfig;
  absl::StatusOr<config::LoadedConfig> loaded = config::LoadConfig(path, {.service = kOwnService});
  if (loaded.ok()) {
    config_ = std::move(loaded->config);
  } else {
    config_ = loaded.status();
  }
  return *config_;
}

}  // namespace turnpike::ctl
