#include "services/gateway-dequeue/core/gateways.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace turnpike::dequeue {
namespace {

std::vector<net::IpNetwork> ReadNetworks(
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<net::IpNetwork> networks;
  for (const std::string& text : texts) {
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
    if (network.ok()) networks.push_back(*network);
  }
  return networks;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// No limit is also one that cannot be reached.
int64_t ToLimit(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
}

Gateway ReadGateway(const config::v1::Gateway& config) {
  Gateway gateway{.etrn_enabled = config.etrn().enabled(),
                  .etrn_require_auth = config.etrn().require_auth(),
                  .etrn_deliver_to = config.etrn().deliver_to(),
                  .etrn_port = static_cast<int>(config.etrn().port()),
                  .etrn_treat_as_foreign = config.etrn().treat_target_as_foreign(),
                  .atrn_enabled = config.atrn().enabled(),
                  .atrn_single_session = config.atrn().single_session(),
                  .atrn_min_interval = ToDuration(config.atrn().min_interval()),
                  .atrn_allow_chunking = config.atrn().allow_chunking(),
                  .honor_from = ReadNetworks(config.access().honor_from()),
                  .ignore_from = ReadNetworks(config.access().ignore_from()),
                  .forward_every = ToDuration(config.forward_every()),
                  .messages_max = ToLimit(config.hold().max_messages()),
                  .bytes_max = ToLimit(config.hold().max_bytes()),
                  .retention = ToDuration(config.hold().retention())};
  absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(config.domain());
  if (!domain.ok()) return gateway;
  if (!config.etrn().auth().username().empty()) {
    gateway.etrn_credential = absl::StrCat("gateways/", domain->ascii(), "/etrn");
  }
  gateway.names.push_back(*std::move(domain));
  for (const std::string& alias : config.aliases()) {
    absl::StatusOr<smtp::DomainName> name = smtp::DomainName::Parse(alias);
    if (name.ok()) gateway.names.push_back(*std::move(name));
  }
  return gateway;
}

}  // namespace

bool Gateway::HasName(const smtp::DomainName& name) const {
  return std::find(names.begin(), names.end(), name) != names.end();
}

GatewayTable::GatewayTable(const config::v1::Config& config) {
  for (const config::v1::Gateway& entry : config.gateways()) {
    Gateway gateway = ReadGateway(entry);
    if (gateway.names.empty()) continue;
    const auto shared = std::make_shared<const Gateway>(std::move(gateway));
    if (!gateways_.emplace(shared->domain(), shared).second) continue;
    for (const smtp::DomainName& name : shared->names) by_name_.emplace(name.ascii(), shared);
  }
}

GatewayPointer GatewayTable::Find(const smtp::DomainName& name) const {
  const auto found = by_name_.find(name.ascii());
  return found == by_name_.end() ? nullptr : found->second;
}

GatewayPointer GatewayTable::Find(absl::string_view name) const {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? Find(*domain) : nullptr;
}

}  // namespace turnpike::dequeue
