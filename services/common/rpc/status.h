// absl::Status and grpc::Status carry the same codes.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_STATUS_H_
#define TURNPIKE_SERVICES_COMMON_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace turnpike::rpc {

absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_STATUS_H_
