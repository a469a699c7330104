// Tells ThreadSanitizer what gRPC orders, between its queues and threads of which most is done
// without locks:
//   - what was done before an operation was started, and all that was done for it, happened before
//     its completion is reported;
//   - what was done before a server was started happened before it is called;
//   - what was done in a call happened before its server is shut down.
//
// Only in builds with --config=tsan. Compiled with -fno-access-control: some of it is private.
#include <grpc/grpc.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/callback_common.h>
#include <grpcpp/support/server_callback.h>
#include <sanitizer/tsan_interface.h>

#include <memory>
#include <utility>

#include "bazel/tsan/replace.h"

namespace turnpike::tsan {
namespace {

// Stands for all servers of the process.
char servers;
// Stands for all its calls that have ended.
char ended_calls;

}  // namespace

// Every operation starts by this.
TURNPIKE_REPLACE(grpc_call_error, StartBatch, "grpc_call_start_batch", grpc_call* call,
                 const grpc_op* ops, size_t nops, void* tag, void* reserved) {
  __tsan_release(tag);
  return RealStartBatch(call, ops, nops, tag, reserved);
}

// grpc_cq_end_op, inside gRPC's core: every operation ends by this. The error is an absl::Status,
// of which the caller passes the address.
#define TURNPIKE_END_OPERATION                                               \
  "_Z14grpc_cq_end_opP21grpc_completion_queuePvN4absl7debian36StatusEPFvS1_" \
  "P18grpc_cq_completionES1_S6_b"
TURNPIKE_REPLACE(void, EndOperation, TURNPIKE_END_OPERATION, grpc_completion_queue* queue,
                 void* tag, void* error, void (*done)(void*, void*), void* done_argument,
                 void* storage, bool internal) {
  __tsan_release(tag);
  RealEndOperation(queue, tag, error, done, done_argument, storage, internal);
}

// By these four a completion is learnt of: two ways to ask, and two kinds of callbacks. The latter
// are inline functions, StaticRun, of the tags' classes.
TURNPIKE_REPLACE(grpc_event, Next, "grpc_completion_queue_next", grpc_completion_queue* queue,
                 gpr_timespec deadline, void* reserved) {
  const grpc_event event = RealNext(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

TURNPIKE_REPLACE(grpc_event, Pluck, "grpc_completion_queue_pluck", grpc_completion_queue* queue,
                 void* tag, gpr_timespec deadline, void* reserved) {
  const grpc_event event = RealPluck(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

TURNPIKE_REPLACE(
    void, RunSuccessTag,
    "_ZN4grpc8internal22CallbackWithSuccessTag9StaticRunEP29grpc_completion_queue_functori",
    grpc_completion_queue_functor* tag, int ok) {
  __tsan_acquire(tag);
  static_cast<grpc::internal::CallbackWithSuccessTag*>(tag)->Run(ok != 0);
}

TURNPIKE_REPLACE(
    void, RunStatusTag,
    "_ZN4grpc8internal21CallbackWithStatusTag9StaticRunEP29grpc_completion_queue_functori",
    grpc_completion_queue_functor* tag, int ok) {
  __tsan_acquire(tag);
  static_cast<grpc::internal::CallbackWithStatusTag*>(tag)->Run(ok != 0);
}

// Of a server's call, all callbacks have returned. The last may have been counted in the library,
// where that is not seen.
TURNPIKE_REPLACE(void, ScheduleOnDone, "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb",
                 grpc::internal::ServerCallbackCall* call, bool can_inline) {
  __tsan_acquire(&call->callbacks_outstanding_);
  RealScheduleOnDone(call, can_inline);
}

TURNPIKE_REPLACE(void, StartServer, "grpc_server_start", grpc_server* server) {
  __tsan_release(&servers);
  RealStartServer(server);
}

// The first that a server does for a call, before it reads the request.
TURNPIKE_REPLACE(void*, Allocate, "grpc_call_arena_alloc", grpc_call* call, size_t size) {
  __tsan_acquire(&servers);
  return RealAllocate(call, size);
}

// The last of every call.
TURNPIKE_REPLACE(void, UnrefCall, "grpc_call_unref", grpc_call* call) {
  __tsan_release(&ended_calls);
  RealUnrefCall(call);
}

// A client lets go of a channel. Others do that in our own code, and so does this.
TURNPIKE_REPLACE(void, DestroyContext, "_ZN4grpc13ClientContextD1Ev",
                 grpc::ClientContext* context) {
  const std::shared_ptr<grpc::Channel> channel = std::move(context->channel_);
  RealDestroyContext(context);
}

// A server's shutdown does this when its calls have ended.
TURNPIKE_REPLACE(void, ShutDownQueue, "grpc_completion_queue_shutdown",
                 grpc_completion_queue* queue) {
  __tsan_acquire(&ended_calls);
  RealShutDownQueue(queue);
}

}  // namespace turnpike::tsan
