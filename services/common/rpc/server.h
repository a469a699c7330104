// A gRPC server with the conventions of all services: own acceptor (gRPC 1.51 stops accepting for
// good once it has run out of descriptors; ours does not), keepalive, message size limits,
// grpc.health.v1, optional reflection, graceful shutdown.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SERVER_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
}

namespace turnpike::rpc {

class Security;

// Thread-safe after Start.
class Server {
 public:
  struct Options {
    std::string listen;  // host:port; port 0 picks one
    bool reflection = false;
    size_t connections_max = 1000;       // further ones are closed at once; > 0
    const Security* security = nullptr;  // outlives the server; null: plain text for everybody
  };

  // Serves `services` (not owned; they outlive the server). UNAVAILABLE when the address cannot be
  // bound, INVALID_ARGUMENT when it is none.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options,
                                                       const std::vector<grpc::Service*>& services);
  virtual ~Server() = default;

  // `127.0.0.1:40123`
  virtual const std::string& address() const = 0;
  // What grpc.health.v1 says of every service.
  virtual void SetServing(bool serving) = 0;
  // What it says of one name, which may stand for a part of a service
  // (`turnpike.spool.v1.Enqueue`). SetServing of all does not touch such a name.
  virtual void SetServing(const std::string& name, bool serving) = 0;
  // NOT_SERVING, no new calls; calls in progress get until `deadline`, then are cancelled.
  virtual void Shutdown(absl::Time deadline) = 0;
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SERVER_H_
