#include "services/common/net/io_threads.h"

#include <pthread.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"

namespace turnpike::net {

struct IoThreads::Thread {
  Thread() : context(/*concurrency_hint=*/1), work(context.get_executor()) {
    // The context opens what it waits by (epoll, a timer) when it is first needed, and throws if
    // there is no descriptor left then: better now.
    asio::ip::tcp::socket needed(context);
  }

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::thread thread;
};

IoThreads::IoThreads(size_t count) {
  if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < count; ++i) {
    auto thread = std::make_unique<Thread>();
    thread->thread = std::thread([context = &thread->context] { context->run(); });
    pthread_setname_np(thread->thread.native_handle(), absl::StrCat("io-", i).c_str());
    threads_.push_back(std::move(thread));
  }
}

IoThreads::~IoThreads() {
  Stop();
  Join();
}

size_t IoThreads::size() const { return threads_.size(); }

asio::io_context& IoThreads::context(size_t index) { return threads_[index]->context; }

asio::io_context& IoThreads::Next() {
  return context(next_.fetch_add(1, std::memory_order_relaxed) % size());
}

void IoThreads::Stop() {
  for (const auto& thread : threads_) thread->context.stop();
}

void IoThreads::Join() {
  for (const auto& thread : threads_) thread->work.reset();
  for (const auto& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
}

}  // namespace turnpike::net
