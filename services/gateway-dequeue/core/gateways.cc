#include "services/gateway-dequeue/core/gateways.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"

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

bool Contains(const std::vector<net::IpNetwork>& networks, const net::IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&address](const net::IpNetwork& network) {
    return network.Contains(address);
  });
}

Gateway ReadGateway(const config::v1::Gateway& config) {
  Gateway gateway{.etrn_enabled = config.etrn().enabled(),
                  .etrn_require_auth = config.etrn().require_auth(),
                  .etrn_deliver_to = config.etrn().deliver_to(),
                  .etrn_port = static_cast<int>(config.etrn().port()),
                  .atrn_enabled = config.atrn().enabled(),
                  .atrn_single_session = config.atrn().single_session(),
                  .atrn_min_interval = absl::Seconds(config.atrn().min_interval().seconds()) +
                                       absl::Nanoseconds(config.atrn().min_interval().nanos()),
                  .atrn_allow_chunking = config.atrn().allow_chunking(),
                  .honor_from = ReadNetworks(config.access().honor_from()),
                  .ignore_from = ReadNetworks(config.access().ignore_from())};
  absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(config.domain());
  if (!domain.ok()) return gateway;
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

bool Gateway::Honors(absl::string_view client_address) const {
  if (honor_from.empty() && ignore_from.empty()) return true;
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(client_address);
  if (!address.ok() || Contains(ignore_from, *address)) return false;
  return honor_from.empty() || Contains(honor_from, *address);
}

GatewayTable::GatewayTable(const config::v1::Config& config) {
  for (const config::v1::Gateway& entry : config.gateways()) {
    Gateway gateway = ReadGateway(entry);
    if (gateway.names.empty()) continue;
    std::string domain = gateway.domain();
    const auto [place, is_new] = gateways_.emplace(std::move(domain), std::move(gateway));
    if (!is_new) continue;
    for (const smtp::DomainName& name : place->second.names) {
      by_name_.emplace(name.ascii(), &place->second);
    }
  }
}

const Gateway* GatewayTable::Find(const smtp::DomainName& name) const {
  const auto found = by_name_.find(name.ascii());
  return found == by_name_.end() ? nullptr : found->second;
}

const Gateway* GatewayTable::Find(absl::string_view name) const {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? Find(*domain) : nullptr;
}

}  // namespace turnpike::dequeue
