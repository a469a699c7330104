#include "services/common/process/descriptor_limit.h"

#include <sys/resource.h>

namespace turnpike::process {
namespace {

// For gRPC in both directions, the store's files, logs and pages.
constexpr uint64_t kOtherDescriptors = 1000;

}  // namespace

uint64_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

uint64_t DescriptorsNeeded(const std::string& service, const config::v1::Config& config) {
  if (service == "smtp-frontend") return kOtherDescriptors + config.smtp().connections_max();
  // At most a connection for each delivery in progress.
  if (service == "outbound-delivery") return kOtherDescriptors + config.delivery().leases_max();
  return kOtherDescriptors;
}

}  // namespace turnpike::process
