// Which names and addresses are ourselves, so that mail is not sent in circles.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_OWN_HOSTS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_OWN_HOSTS_H_

#include <vector>

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/ip.h"
#include "services/outbound-delivery/resolve/resolver.h"

namespace turnpike::delivery {

// Our name is config.hostname. Our endpoints are the SMTP listeners': an address and its port; for
// `0.0.0.0` and `[::]` each of `interface_addresses`. A port of 0 is nobody's.
OwnHosts OwnHostsOf(const config::v1::Config& config,
                    const std::vector<net::IpAddress>& interface_addresses);

// The addresses of this machine's interfaces now; empty if they cannot be had.
std::vector<net::IpAddress> InterfaceAddresses();

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_OWN_HOSTS_H_
