// Certificates of listeners that do not fit their keys, or are not good now.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_CERTIFICATES_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_CERTIFICATES_H_

#include <string>

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"

namespace turnpike::config {

// Looks into the files, all of which can be read, unless only other services than `service` do
// (rules.read_by; empty: any). What keeps the frontend from serving TLS is an error; a certificate
// that has ended, or has not begun, a warning: clients that check it refuse it, the others do not.
void ValidateCertificates(const Places& places, const v1::Config& config,
                          const std::string& service, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALIDATE_CERTIFICATES_H_
