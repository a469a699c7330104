// A provider of the configuration (`collections[]`), ready to be asked. (DQ-50)
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTION_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/upstream/connection.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/metrics.h"

namespace turnpike::frontend {

// Immutable.
struct Collection {
  std::string name;
  upstream::Server server;
  std::vector<smtp::DomainName> domains;  // empty: all of the login
  // How the turned session is served: as a listener `collection/<name>` that takes mail and nothing
  // else.
  std::shared_ptr<const ListenerProfile> profile;

  // `config` is complete and checked; `collection` is one of its collections, and
  // `domain_classes` are its. Errors as upstream::Server::Create's, with the collection's name.
  static absl::StatusOr<std::shared_ptr<const Collection>> Create(
      const config::v1::Config& config, const config::v1::Collection& collection,
      std::shared_ptr<const routing::DomainClasses> domain_classes, Metrics& metrics);
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTION_H_
