#include "services/smtp-frontend/listener/settings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/routing/domain_classes.h"
#include "services/smtp-frontend/listener/profile.h"

namespace turnpike::frontend {
namespace {

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string SocketOf(const config::v1::Listener& listener) {
  if (!absl::EndsWith(listener.listen(), ":0")) return listener.listen();
  return absl::StrCat(listener.listen(), " ", listener.name());
}

absl::StatusOr<std::vector<net::IpNetwork>> ParseNetworks(
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<net::IpNetwork> networks;
  for (const std::string& text : texts) {
    TURNPIKE_ASSIGN_OR_RETURN(net::IpNetwork network, net::IpNetwork::Parse(text));
    networks.push_back(network);
  }
  return networks;
}

}  // namespace

bool Settings::Listener::IsBalancer(const net::IpAddress& address) const {
  return std::any_of(balancers.begin(), balancers.end(),
                     [&](const net::IpNetwork& each) { return each.Contains(address); });
}

absl::StatusOr<std::shared_ptr<const Settings>> Settings::Create(const config::v1::Config& config,
                                                                 Metrics& metrics) {
  const config::v1::Smtp& smtp = config.smtp();
  auto settings = std::make_shared<Settings>();
  const auto domain_classes = std::make_shared<const routing::DomainClasses>(config);
  for (const config::v1::Listener& listener : smtp.listeners()) {
    TURNPIKE_ASSIGN_OR_RETURN(ListenerProfile profile, MakeProfile(config, listener));
    profile.domain_classes = domain_classes;
    profile.metrics = metrics.ForListener(listener.name());
    TURNPIKE_ASSIGN_OR_RETURN(std::vector<net::IpNetwork> balancers,
                              ParseNetworks(listener.proxy_protocol_from()));
    settings->listeners.push_back(
        {.socket = SocketOf(listener),
         .listen = listener.listen(),
         .profile = std::make_shared<const ListenerProfile>(std::move(profile)),
         .balancers = std::move(balancers)});
  }
  for (const config::v1::Collection& collection : config.collections()) {
    TURNPIKE_ASSIGN_OR_RETURN(settings->collections[collection.name()],
                              Collection::Create(config, collection, domain_classes, metrics));
  }
  // Ourselves, and those who may relay without a login.
  TURNPIKE_ASSIGN_OR_RETURN(std::vector<net::IpNetwork> exempt,
                            ParseNetworks(config.trusted_networks()));
  for (const char* loopback : {"127.0.0.0/8", "::1/128"}) {
    TURNPIKE_ASSIGN_OR_RETURN(net::IpNetwork network, net::IpNetwork::Parse(loopback));
    exempt.push_back(network);
  }
  const std::function<void()> on_uncounted = [&metrics] { metrics.CountUncounted(); };
  settings->connections = {.connections_max = smtp.connections_max(),
                           .connections_per_address_max = smtp.connections_per_address_max(),
                           .rate = {.period = absl::Minutes(1),
                                    .per_client_max = smtp.connections_per_address_per_minute_max(),
                                    .all_max = smtp.connections_per_minute_max(),
                                    .exempt = exempt,
                                    .on_uncounted = on_uncounted}};
  settings->recipients = {
      .period = absl::Hours(1),
      .per_client_max = smtp.unauthenticated_recipients_per_address_per_hour_max(),
      .all_max = smtp.unauthenticated_recipients_per_hour_max(),
      .exempt = std::move(exempt),
      .on_uncounted = on_uncounted};
  settings->proxy_header_timeout = FromProto(smtp.proxy_header_timeout());
  return std::shared_ptr<const Settings>(std::move(settings));
}

const Settings::Listener* Settings::FindListener(const std::string& socket) const {
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const Listener& each) { return each.socket == socket; });
  return found == listeners.end() ? nullptr : &*found;
}

}  // namespace turnpike::frontend
