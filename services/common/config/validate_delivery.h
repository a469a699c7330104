// Contradictions in the keys of the side that sends mail: delivery modes, smart hosts, routes, and
// the accounts' logins at the smart host.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_DELIVERY_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_DELIVERY_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Checks `delivery` and what it refers to; brings the domains of `delivery.routes` and the hosts
// into normal form. A smart host, or the host of a route, must not be one of our own domains, names
// or SMTP listeners (DL-20); a listener at all addresses counts for those of this machine.
void ValidateDelivery(const Places& places, v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_DELIVERY_H_
