// A unary call by callback, with a deadline, as absl::Status.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_UNARY_H_
#define TURNPIKE_SERVICES_COMMON_RPC_UNARY_H_

#include <grpcpp/client_context.h>

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::rpc {

// Starts a call and reports its end exactly once, on one of gRPC's threads.
//
//   rpc::CallUnary<GetQueueRequest, GetQueueResponse>(
//       std::move(request), deadline,
//       [stub](auto* context, auto* request, auto* response, auto done) {
//         stub->async()->GetQueue(context, request, response, std::move(done));
//       }, std::move(callback));
template <typename Request, typename Response>
void CallUnary(Request request, absl::Time deadline,
               const std::function<void(grpc::ClientContext*, const Request*, Response*,
                                        std::function<void(grpc::Status)>)>& start,
               absl::AnyInvocable<void(absl::StatusOr<Response>)> done);

}  // namespace turnpike::rpc

#include "services/common/rpc/unary_impl.h"  // IWYU pragma: export

#endif  // TURNPIKE_SERVICES_COMMON_RPC_UNARY_H_
