// Channels to other services, with the conventions of all of them.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CHANNEL_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CHANNEL_H_

#include <memory>
#include <string>

namespace grpc {
class Channel;
}

namespace turnpike::rpc {

class Security;

// A channel with keepalive, round robin, reconnect backoff of 50 ms to 2 s, message size limits of
// 8 MiB. Connects lazily; a restarted peer is found again by itself. `target`: host:port or any
// gRPC target. `security` outlives it; null: plain text. May be let go of on any thread, within a
// callback of its own too.
std::shared_ptr<grpc::Channel> CreateChannel(const std::string& target,
                                             const Security* security = nullptr);

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CHANNEL_H_
