// A Lease stream over gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_LEASE_STREAM_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_LEASE_STREAM_H_

#include <memory>

#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// Thread-safe.
std::unique_ptr<LeaseStream> OpenRpcLease(const std::shared_ptr<v1::SpoolService::Stub>& stub,
                                          v1::LeaseOpen open,
                                          std::shared_ptr<LeaseStream::Handler> handler);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_LEASE_STREAM_H_
