// Which connections are as good as each other (DL-40). Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_KEY_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_KEY_H_

#include <string>

#include "services/outbound-delivery/core/route_plan.h"
#include "services/outbound-delivery/resolve/resolver.h"
#include "services/outbound-delivery/security/tls_demand.h"

namespace turnpike::delivery {

// A connection that was opened to `hop` for one plan and demand may carry the mail of another plan
// if their keys are equal: the same host by the same name and address, the same protocol, kind of
// route and login, and the same demand. What `demand` asks of the certificate is about the host's
// name; but a DANE trust anchor also vouches for the next hop's domain [RFC7672 3.2.2], so that
// such a connection is for one domain only. That a policy names the host (MTA-STS) has been decided
// with the demand [RFC8461 4.1].
std::string ConnectionKey(const RoutePlan& plan, const Hop& hop, const TlsDemand& demand);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_CONNECTION_KEY_H_
