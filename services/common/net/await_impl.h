// Included by await.h only.
#ifndef TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_
#define TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_

#include <asio/associated_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "services/common/net/await.h"

namespace turnpike::net {
namespace internal {

// Where the operation's value and the coroutine that waits for it meet, whichever comes first. Held
// by the operation, and by the coroutine until it waits: an operation that is dropped without
// having reported takes the coroutine with it.
template <typename T>
class Rendezvous {
 public:
  using Resume = absl::AnyInvocable<void(T)>;

  // The operation's side.
  void Report(T value) {
    value_.emplace(std::move(value));
    if (state_.exchange(State::kReported, std::memory_order_acq_rel) == State::kWaiting) {
      Deliver();
    }
  }

  // The coroutine's side: whether the value is here already.
  bool HasValue() const { return state_.load(std::memory_order_acquire) == State::kReported; }
  T Take() { return *std::move(value_); }
  // Else: calls `resume` with it, now or later.
  void Wait(Resume resume) {
    resume_ = std::move(resume);
    if (state_.exchange(State::kWaiting, std::memory_order_acq_rel) == State::kReported) Deliver();
  }

 private:
  enum class State { kEmpty, kReported, kWaiting };

  void Deliver() {
    Resume resume = std::move(resume_);
    resume(*std::move(value_));
  }

  std::atomic<State> state_{State::kEmpty};
  std::optional<T> value_;
  Resume resume_;
};

// Lets the rendezvous resume the coroutine on its executor, never before the coroutine has been
// suspended, and keeps that executor's context running until then.
template <typename T>
struct WaitInitiation {
  template <typename Handler>
  void operator()(Handler handler, std::shared_ptr<Rendezvous<T>> rendezvous) const {
    auto work = asio::make_work_guard(handler);
    rendezvous->Wait([handler = std::move(handler), work = std::move(work)](T value) mutable {
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
  auto rendezvous = std::make_shared<internal::Rendezvous<T>>();
  start([rendezvous](T value) { rendezvous->Report(std::move(value)); });
  // Most verdicts are known already: no way through the executor's queue for them.
  if (rendezvous->HasValue()) co_return rendezvous->Take();
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(T)>(
      internal::WaitInitiation<T>(), asio::use_awaitable, std::move(rendezvous));
}

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_AWAIT_IMPL_H_
