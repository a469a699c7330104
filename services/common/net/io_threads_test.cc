#include "services/common/net/io_threads.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <future>
#include <set>
#include <thread>

namespace turnpike::net {
namespace {

std::thread::id ThreadOf(asio::io_context& context) {
  std::promise<std::thread::id> id;
  asio::post(context, [&id] { id.set_value(std::this_thread::get_id()); });
  return id.get_future().get();
}

TEST(IoThreadsTest, EachContextHasAThreadOfItsOwn) {
  IoThreads threads(3);
  ASSERT_EQ(threads.size(), 3u);
  std::set<std::thread::id> ids;
  for (size_t i = 0; i < 3; ++i) ids.insert(ThreadOf(threads.context(i)));
  EXPECT_EQ(ids.size(), 3u);
}

TEST(IoThreadsTest, NextGoesRound) {
  IoThreads threads(2);
  asio::io_context* const first = &threads.Next();
  asio::io_context* const second = &threads.Next();
  EXPECT_NE(first, second);
  EXPECT_EQ(&threads.Next(), first);
}

TEST(IoThreadsTest, ZeroMeansOneForEachCore) {
  IoThreads threads(0);
  EXPECT_GE(threads.size(), 1u);
}

TEST(IoThreadsTest, JoinWaitsForWorkThatIsThere) {
  IoThreads threads(2);
  bool done = false;
  asio::post(threads.context(1), [&] { asio::post(threads.context(1), [&] { done = true; }); });
  threads.Join();
  EXPECT_TRUE(done);
}

TEST(IoThreadsTest, StopEndsThreadsWithWorkLeft) {
  IoThreads threads(1);
  struct Again {
    asio::io_context* context;
    void operator()() const { asio::post(*context, *this); }
  };
  asio::post(threads.context(0), Again{&threads.context(0)});
  threads.Stop();
  threads.Join();
}

}  // namespace
}  // namespace turnpike::net
