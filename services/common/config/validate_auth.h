// Contradictions in the keys of the AUTH rules and beside them: screening, POP before SMTP, domain
// sharing, directories.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_AUTH_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_AUTH_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

void ValidateAuth(const Places& places, const v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_AUTH_H_
