// Contradictions in `spool`.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_SPOOL_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_SPOOL_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// `config` is complete.
void ValidateSpool(const Places& places, const v1::Config& config, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_SPOOL_H_
