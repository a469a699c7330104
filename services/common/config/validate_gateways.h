// Contradictions in the keys of gateways: where mail goes, logins there, lists of addresses.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_GATEWAYS_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_GATEWAYS_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Checks `gateways`, whose `etrn.deliver_to` are well formed.
void ValidateGateways(const Places& places, const v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_GATEWAYS_H_
