// Contradictions and references between the parts of a configuration that are each well formed.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Checks a completed configuration; brings `etrn.deliver_to` and `dns.servers` into normal form.
void ValidateConfig(const Places& places, v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_H_
