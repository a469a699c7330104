// Included by await.h only.
#ifndef TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_
#define TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_

#include <asio/associated_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <utility>

#include "services/common/net/await.h"

namespace turnpike::net {
namespace internal {

// Starts the operation with a callback that resumes the coroutine on its executor, never before the
// coroutine has been suspended, and keeps that executor's context running until then.
template <typename T>
struct StartInitiation {
  template <typename Handler>
  void operator()(Handler handler, StartOperation<T> start) const {
    auto work = asio::make_work_guard(handler);
    start([handler = std::move(handler), work = std::move(work)](T value) mutable {
      auto executor = work.get_executor();
      asio::post(executor, [handler = std::move(handler), value = std::move(value)]() mutable {
        std::move(handler)(std::move(value));
      });
    });
  }
};

}  // namespace internal

template <typename T>
asio::awaitable<T> Await(StartOperation<T> start) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(T)>(
      internal::StartInitiation<T>(), asio::use_awaitable, std::move(start));
}

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_
