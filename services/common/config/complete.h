// Defaults that depend on other values or on the machine; plain ones are `rules` of the protos.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_COMPLETE_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_COMPLETE_H_

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Fills in what the document, whose keys are in `places`, does not say: hostname, the services'
// addresses, implicit_tls and odmr of listeners.
void CompleteConfig(const Places& places, v1::Config& config);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_COMPLETE_H_
