// What the configuration says of our work, replaced as a whole when it changes.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_SETTINGS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_SETTINGS_H_

#include <string>

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/routing/domain_classes.h"
#include "services/gateway-dequeue/core/gateways.h"

namespace turnpike::dequeue {

// Immutable; thread-safe.
struct Settings {
  // `config` is complete and checked; it is copied from.
  explicit Settings(const config::v1::Config& config)
      : gateways(config), domain_classes(config), host_name(config.hostname()) {}

  const GatewayTable gateways;
  const routing::DomainClasses domain_classes;
  const std::string host_name;  // in reports
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_SETTINGS_H_
