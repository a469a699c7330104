// Ends a unary call with what a Store's callback gets.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_UNARY_ANSWER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_UNARY_ANSWER_H_

#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/status/statusor.h"
#include "services/common/rpc/status.h"

namespace turnpike::spool {

// `response` is valid until the call has ended.
template <typename Response>
auto UnaryAnswer(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<Response> result) {
    if (result.ok()) response->Swap(&*result);
    reactor->Finish(rpc::ToGrpc(result.status()));
  };
}

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_UNARY_ANSWER_H_
