// Runs a coroutine of a test to its end.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TESTING_RUN_H_
#define TURNPIKE_SERVICES_COMMON_NET_TESTING_RUN_H_

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace turnpike::net::testing {

// Spawns all of `coroutines` and runs `context` until all have ended; fails the test if that takes
// too long.
inline void RunAll(asio::io_context& context, std::vector<asio::awaitable<void>> coroutines) {
  size_t left = coroutines.size();
  for (asio::awaitable<void>& coroutine : coroutines) {
    asio::co_spawn(context, std::move(coroutine), [&left](const std::exception_ptr& exception) {
      EXPECT_EQ(exception, nullptr);
      --left;
    });
  }
  context.restart();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (left > 0 && std::chrono::steady_clock::now() < give_up) {
    context.run_for(std::chrono::milliseconds(20));
    context.restart();
  }
  ASSERT_EQ(left, 0u) << "a coroutine of the test did not end";
}

template <typename... Coroutines>
void RunToEnd(asio::io_context& context, Coroutines... coroutines) {
  std::vector<asio::awaitable<void>> all;
  (all.push_back(std::move(coroutines)), ...);
  RunAll(context, std::move(all));
}

}  // namespace turnpike::net::testing

#endif  // TURNPIKE_SERVICES_COMMON_NET_TESTING_RUN_H_
