// Included by unary.h only.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_UNARY_IMPL_H_
#define TURNPIKE_SERVICES_COMMON_RPC_UNARY_IMPL_H_

#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <utility>

#include "services/common/rpc/status.h"
#include "services/common/rpc/unary.h"

namespace turnpike::rpc {
namespace internal {

// What must live until the call ends.
template <typename Request, typename Response>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Response response;
  absl::AnyInvocable<void(absl::StatusOr<Response>)> done;
};

}  // namespace internal

template <typename Request, typename Response>
void CallUnary(Request request, absl::Time deadline,
               const std::function<void(grpc::ClientContext*, const Request*, Response*,
                                        std::function<void(grpc::Status)>)>& start,
               absl::AnyInvocable<void(absl::StatusOr<Response>)> done) {
  auto call = std::make_shared<internal::UnaryCall<Request, Response>>();
  call->request = std::move(request);
  call->done = std::move(done);
  call->context.set_deadline(absl::ToChronoTime(deadline));
  start(&call->context, &call->request, &call->response, [call](const grpc::Status& status) {
    if (status.ok()) {
      call->done(std::move(call->response));
    } else {
      call->done(FromGrpc(status));
    }
    call->done = nullptr;  // frees what it holds now, not when gRPC frees its copy of this
  });
}

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_UNARY_IMPL_H_
