// What gRPC itself has to say, as lines of our log.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_LIBRARY_LOG_H_
#define TURNPIKE_SERVICES_COMMON_RPC_LIBRARY_LOG_H_

namespace turnpike::rpc {

// From here on gRPC's errors are warnings of our log, once a second at most for the process, since
// a peer can cause them again and again by whatever is no handshake; a line says how many were left
// out before it. Without this they are written to standard error as they are.
void TakeLibraryLog();

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_LIBRARY_LOG_H_
