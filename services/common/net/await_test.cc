#include "services/common/net/await.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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

TEST(AwaitTest, AnswerThatIsThereCostsNoWayThroughTheExecutor) {
  asio::io_context context;
  struct Test {
    static asio::awaitable<void> Run(asio::io_context* context, bool* others_ran) {
      asio::post(*context, [others_ran] { *others_ran = true; });
      StartOperation<int> start = [](auto done) { done(1); };
      const int answer = co_await Await<int>(std::move(start));
      EXPECT_EQ(answer, 1);
      EXPECT_FALSE(*others_ran);
    }
  };
  bool others_ran = false;
  testing::RunToEnd(context, Test::Run(&context, &others_ran));
}

TEST(AwaitTest, OperationThatIsDroppedTakesTheCoroutineWithIt) {
  struct Test {
    static asio::awaitable<void> Run(absl::AnyInvocable<void(int)>* kept,
                                     std::shared_ptr<int> witness) {
      StartOperation<int> start = [kept](auto done) { *kept = std::move(done); };
      const int answer = co_await Await<int>(std::move(start));
      ADD_FAILURE() << answer << *witness;
    }
  };
  auto witness = std::make_shared<int>(0);
  absl::AnyInvocable<void(int)> kept;
  asio::io_context context;
  asio::co_spawn(context, Test::Run(&kept, witness), asio::detached);
  context.poll();
  EXPECT_EQ(witness.use_count(), 2);
  kept = nullptr;
  context.poll();  // a coroutine is unwound on its executor
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(AwaitTest, ThreadsMeetWhicheverComesFirst) {
  asio::io_context context;
  struct Test {
    static asio::awaitable<void> Run(std::vector<std::thread>* workers) {
      int sum = 0;
      for (int i = 0; i < 500; ++i) {
        StartOperation<int> start = [workers, i](auto done) {
          workers->emplace_back([done = std::move(done), i]() mutable { done(i); });
          if (i % 2 == 0) std::this_thread::yield();
        };
        sum += co_await Await<int>(std::move(start));
      }
      EXPECT_EQ(sum, 499 * 500 / 2);
    }
  };
  std::vector<std::thread> workers;
  testing::RunToEnd(context, Test::Run(&workers));
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace turnpike::net
