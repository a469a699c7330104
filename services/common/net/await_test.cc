#include "services/common/net/await.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "services/common/net/testing/run.h"

namespace turnpike::net {
namespace {

// Each test is a coroutine without captures, as the house style has it.

TEST(AwaitTest, ContinuesOnItsOwnThreadWithWhatAnotherReported) {
  asio::io_context context;
  std::thread worker;
  struct Test {
    static asio::awaitable<void> Run(std::thread* worker) {
      const std::thread::id home = std::this_thread::get_id();
      StartOperation<std::string> start = [worker](auto done) {
        *worker = std::thread([done = std::move(done)]() mutable { done("from afar"); });
      };
      const std::string answer = co_await Await<std::string>(std::move(start));
      EXPECT_EQ(answer, "from afar");
      EXPECT_EQ(std::this_thread::get_id(), home);
    }
  };
  testing::RunToEnd(context, Test::Run(&worker));
  worker.join();
}

TEST(AwaitTest, TakesAnAnswerThatComesBeforeStartReturns) {
  asio::io_context context;
  struct Test {
    static asio::awaitable<void> Run() {
      bool started = false;
      StartOperation<int> start = [&started](auto done) {
        done(42);
        started = true;
      };
      const int answer = co_await Await<int>(std::move(start));
      EXPECT_EQ(answer, 42);
      EXPECT_TRUE(started);
    }
  };
  testing::RunToEnd(context, Test::Run());
}

TEST(AwaitTest, PassesValuesThatOnlyMove) {
  asio::io_context context;
  struct Test {
    static asio::awaitable<void> Run() {
      StartOperation<std::unique_ptr<int>> start = [](auto done) {
        done(std::make_unique<int>(7));
      };
      const std::unique_ptr<int> answer = co_await Await<std::unique_ptr<int>>(std::move(start));
      EXPECT_EQ(*answer, 7);
    }
  };
  testing::RunToEnd(context, Test::Run());
}

}  // namespace
}  // namespace turnpike::net
