// Who may call what between the services. (PL-40)
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CALLERS_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CALLERS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace turnpike::rpc {

// One method, and the services that need it for their work.
struct MethodCallers {
  absl::string_view method;   // `/turnpike.spool.v1.SpoolService/Lease`
  absl::string_view callers;  // `gateway-dequeue outbound-delivery`
};

// The whole table: a method that is not in it is nobody's.
absl::Span<const MethodCallers> AllMethodCallers();

// `method` as the HTTP/2 path; `caller` is the name of a service, or `turnpikectl` or `keda`. Every
// one of these may ask for health; reflection is the operators', for turnpikectl.
bool MayCall(absl::string_view method, absl::string_view caller);

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CALLERS_H_
