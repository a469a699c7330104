// The Lease stream.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_LEASE_CALL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_LEASE_CALL_H_

#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/spool-store/core/store.h"
#include "services/spool-store/rpc/drainable.h"

namespace turnpike::spool {

// Starts serving a call; gRPC owns the reactor. `store` must outlive the call.
grpc::ServerBidiReactor<v1::LeaseRequest, v1::LeaseResponse>* StartLeaseCall(Store& store,
                                                                             DrainList& drain_list);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_LEASE_CALL_H_
