#include "services/smtp-frontend/collect/collection.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/smtp-frontend/listener/profile.h"

namespace turnpike::frontend {
namespace {

// A provider hands over what has gathered in weeks, and what we refuse it returns to the senders:
// the next message may still be good.
constexpr uint32_t kRefusalsMax = 100'000;

}  // namespace

absl::StatusOr<std::shared_ptr<const Collection>> Collection::Create(
    const config::v1::Config& config, const config::v1::Collection& settings,
    std::shared_ptr<const routing::DomainClasses> domain_classes, Metrics& metrics) {
  auto collection = std::make_shared<Collection>();
  collection->name = settings.name();
  absl::StatusOr<upstream::Server> server = upstream::Server::Create(
      settings.host(), settings.port(), settings.tls(), settings.authorities_file(),
      settings.has_auth() ? &settings.auth() : nullptr);
  if (!server.ok()) {
    return absl::Status(server.status().code(), absl::StrCat("collection ", settings.name(), ": ",
                                                             server.status().message()));
  }
  collection->server = *std::move(server);
  for (const std::string& domain : settings.domains()) {
    TURNPIKE_ASSIGN_OR_RETURN(smtp::DomainName name, smtp::DomainName::Parse(domain));
    collection->domains.push_back(std::move(name));
  }
  config::v1::Listener listener;
  listener.set_name(absl::StrCat("collection/", settings.name()));
  listener.set_role(config::v1::LISTENER_ROLE_SMTP);
  TURNPIKE_ASSIGN_OR_RETURN(ListenerProfile profile, MakeProfile(config, listener));
  profile.role = auth::v1::LISTENER_ROLE_COLLECTION;
  profile.options.offered.etrn = false;
  profile.options.offered.atrn = false;
  profile.options.refusals_max = kRefusalsMax;
  profile.domain_classes = std::move(domain_classes);
  profile.metrics = metrics.ForListener(listener.name());
  metrics.SetConnectionsLimit(*profile.metrics, 1);
  collection->profile = std::make_shared<const ListenerProfile>(std::move(profile));
  return std::shared_ptr<const Collection>(std::move(collection));
}

}  // namespace turnpike::frontend
