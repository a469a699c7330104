// Checks of what concerns other servers that hold our mail (`collections`, `requests`), and of the
// balancers that listeners believe.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_COLLECTIONS_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_COLLECTIONS_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Brings hosts and the domains of requests into normal form; otherwise as ValidateConfig, which
// calls it.
void ValidateCollections(const Places& places, v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_COLLECTIONS_H_
