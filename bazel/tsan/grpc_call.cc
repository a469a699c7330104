// Tells ThreadSanitizer what gRPC orders: what was done before an operation of a call was started
// happened before that call's next completion is reported, and what was done before a server was
// started happened before it was called.
//
// gRPC's C++ layer, a shared library of Debian's, finds these functions here before it finds
// them in gRPC's core. Only in builds with --config=tsan.
//
// Limit: the order is one of calls, not of single operations, so two operations of the same call
// that race with each other are not reported.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

namespace {

// Returns the function of that name that this file takes the place of.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// Stands for all servers of the process.
char servers;

}  // namespace

extern "C" {

void grpc_server_start(grpc_server* server) {
  static auto* const next = Next<decltype(grpc_server_start)>("grpc_server_start");
  __tsan_release(&servers);
  next(server);
}

// Every operation starts by this; in a server, one is started before the service's method is
// called.
grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t nops, void* tag,
                                      void* reserved) {
  static auto* const next = Next<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_acquire(&servers);
  __tsan_release(call);
  return next(call, ops, nops, tag, reserved);
}

// Every completion ends with this, before the reactor hears of it.
void grpc_call_unref(grpc_call* call) {
  static auto* const next = Next<decltype(grpc_call_unref)>("grpc_call_unref");
  __tsan_acquire(call);
  next(call);
}

}  // extern "C"
