// File descriptors: a service that runs out of them under load refuses mail for no good reason.
#ifndef TURNPIKE_SERVICES_COMMON_PROCESS_DESCRIPTOR_LIMIT_H_
#define TURNPIKE_SERVICES_COMMON_PROCESS_DESCRIPTOR_LIMIT_H_

#include <cstdint>
#include <string>

#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::process {

// Raises the soft limit to the hard one. Returns how many descriptors may be open now.
uint64_t RaiseDescriptorLimit();

// How many the service may have open at one time under its configured limits.
uint64_t DescriptorsNeeded(const std::string& service, const config::v1::Config& config);

}  // namespace turnpike::process

#endif  // TURNPIKE_SERVICES_COMMON_PROCESS_DESCRIPTOR_LIMIT_H_
