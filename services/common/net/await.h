// Makes an operation that reports by callback awaitable.
#ifndef TURNPIKE_SERVICES_COMMON_NET_AWAIT_H_
#define TURNPIKE_SERVICES_COMMON_NET_AWAIT_H_

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_executor.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace turnpike::net {

// Starts an operation; it calls `done` exactly once, on any thread, perhaps before Start returns.
template <typename T>
using StartOperation = absl::AnyInvocable<void(absl::AnyInvocable<void(T)> done)>;

// Awaits `start` and continues on the awaiting coroutine's executor with the value that it
// reported; at once if that has happened before `start` has returned. Not cancellable: the
// operation bounds its own time. Name a capturing `start` before the co_await:
//
//   net::StartOperation<absl::Status> start = [&](auto done) { spool.Enqueue(…, std::move(done));
//   }; absl::Status stored = co_await net::Await<absl::Status>(std::move(start));
template <typename T>
asio::awaitable<T> Await(StartOperation<T> start);

}  // namespace turnpike::net

#include "services/common/net/await_impl.h"  // IWYU pragma: export

#endif  // TURNPIKE_SERVICES_COMMON_NET_AWAIT_H_
