// The completion token of all of our awaited asio operations: errors come as values.
#ifndef TURNPIKE_SERVICES_COMMON_NET_AWAIT_TOKEN_H_
#define TURNPIKE_SERVICES_COMMON_NET_AWAIT_TOKEN_H_

#include <asio/experimental/as_tuple.hpp>
#include <asio/use_awaitable.hpp>

namespace turnpike::net {

//   auto [error, count] = co_await socket.async_read_some(buffer, kAwait);
inline constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_AWAIT_TOKEN_H_
