// What both ends of a connection between services must agree on.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_LIMITS_H_
#define TURNPIKE_SERVICES_COMMON_RPC_LIMITS_H_

namespace turnpike::rpc {

// One message, serialized. A larger one ends its call with RESOURCE_EXHAUSTED.
inline constexpr int kMessageBytesMax = 8 * 1024 * 1024;

// Both ends ping a quiet peer this often, and give it up after the timeout.
inline constexpr int kKeepaliveMs = 60'000;
inline constexpr int kKeepaliveTimeoutMs = 10'000;
// Servers hang up on clients that ping more often than this; well below kKeepaliveMs.
inline constexpr int kPingIntervalMinMs = 30'000;

// One call's metadata, serialized. A call with more ends with RESOURCE_EXHAUSTED, and gRPC 1.51
// then closes its connection; the client opens another.
inline constexpr int kMetadataBytesMax = 16 * 1024;
// Calls and streams that one connection may have at one time; further ones wait at the client.
inline constexpr int kStreamsPerConnectionMax = 10'000;
// Who has not shown a certificate and begun HTTP/2 by then is hung up on: until then a connection
// is anybody's, and there are only so many.
inline constexpr int kHandshakeTimeoutMs = 10'000;

// How much of one stream either end takes from the wire before its reader asks.
inline constexpr int kStreamWindowBytes = 256 * 1024;

inline constexpr int kReconnectBackoffMinMs = 50;
inline constexpr int kReconnectBackoffMaxMs = 2'000;
inline constexpr int kConnectTimeoutMs = 5'000;

// A server asks its clients to connect anew after this long, so that new replicas get a share of
// the calls. Calls and streams in progress go on over the old connection.
inline constexpr int kConnectionAgeMaxMs = 300'000;

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_LIMITS_H_
