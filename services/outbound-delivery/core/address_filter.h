// Addresses that DNS must not send our mail to. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ADDRESS_FILTER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ADDRESS_FILTER_H_

#include "services/common/net/ip.h"

namespace turnpike::delivery {

// Whether a host that a stranger's DNS names may be connected to: not ourselves (loopback,
// unspecified), not this link (link-local, with the clouds' metadata services), not multicast,
// broadcast or reserved. Private networks are allowed: many gateways deliver within one.
bool IsAllowedForMail(const net::IpAddress& address);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ADDRESS_FILTER_H_
