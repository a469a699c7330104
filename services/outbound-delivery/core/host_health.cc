#include "services/outbound-delivery/core/host_health.h"

namespace turnpike::delivery {

void HostHealth::OnFailure(const std::string& host, absl::Time now) {
  if (sick_until_.size() >= options_.hosts_max) {
    absl::erase_if(sick_until_, [&](const auto& entry) { return entry.second <= now; });
  }
  if (sick_until_.size() < options_.hosts_max || sick_until_.contains(host)) {
    sick_until_[host] = now + options_.sick_time;
  }
}

void HostHealth::OnSuccess(const std::string& host) { sick_until_.erase(host); }

bool HostHealth::IsSick(const std::string& host, absl::Time now) const {
  const auto it = sick_until_.find(host);
  return it != sick_until_.end() && now < it->second;
}

}  // namespace turnpike::delivery
