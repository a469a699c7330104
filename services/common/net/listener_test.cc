#include "services/common/net/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "services/common/net/io_threads.h"

namespace turnpike::net {
namespace {

using asio::ip::tcp;

// The sockets that a listener has handed over.
class Accepted {
 public:
  void Add(tcp::socket socket) {
    const std::lock_guard<std::mutex> lock(mutex_);
    threads_.insert(std::this_thread::get_id());
    sockets_.push_back(std::move(socket));
    changed_.notify_all();
  }
  size_t WaitFor(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return sockets_.size() >= count; });
    return sockets_.size();
  }
  size_t thread_count() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return threads_.size();
  }
  bool first_has_no_delay() {
    const std::lock_guard<std::mutex> lock(mutex_);
    tcp::no_delay option;
    sockets_[0].get_option(option);
    return option.value();
  }
  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    sockets_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<tcp::socket> sockets_;
  std::set<std::thread::id> threads_;
};

class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    listener_.reset();
    threads_.Stop();
    threads_.Join();
    accepted_.Clear();
  }

  void Start(const std::string& listen) {
    auto listener = Listener::Start(
        listen, threads_, [this](tcp::socket socket) { accepted_.Add(std::move(socket)); });
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }

  tcp::socket Connect(const asio::ip::address& address) {
    tcp::socket socket(client_context_);
    asio::error_code ignored;
    socket.connect(tcp::endpoint(address, listener_->port()), ignored);
    return socket;
  }

  Accepted accepted_;
  IoThreads threads_{2};
  asio::io_context client_context_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, SpreadsConnectionsOverTheThreads) {
  Start("127.0.0.1:0");
  std::vector<tcp::socket> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Connect(asio::ip::address_v4::loopback()));
  EXPECT_EQ(accepted_.WaitFor(4), 4u);
  EXPECT_EQ(accepted_.thread_count(), 2u);
  EXPECT_TRUE(accepted_.first_has_no_delay());
}

TEST_F(ListenerTest, NamesTheAddressThatItListensOn) {
  Start("127.0.0.1:0");
  EXPECT_EQ(listener_->address(), "127.0.0.1:" + std::to_string(listener_->port()));
}

TEST_F(ListenerTest, AnyIpv6AddressTakesBothFamilies) {
  Start("[::]:0");
  tcp::socket over_v4 = Connect(asio::ip::address_v4::loopback());
  tcp::socket over_v6 = Connect(asio::ip::address_v6::loopback());
  EXPECT_EQ(accepted_.WaitFor(2), 2u);
}

TEST_F(ListenerTest, SecondOnOnePortIsUnavailable) {
  Start("127.0.0.1:0");
  EXPECT_EQ(Listener::Start(listener_->address(), threads_, [](tcp::socket) {}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ListenerTest, WhatIsNoAddressIsInvalid) {
  for (const char* listen : {"", "25", "127.0.0.1", "::1:25", "127.0.0.1:x", "127.0.0.1:-1"}) {
    EXPECT_EQ(Listener::Start(listen, threads_, [](tcp::socket) {}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << listen;
  }
}

TEST_F(ListenerTest, StopFreesThePort) {
  Start("127.0.0.1:0");
  const std::string address = listener_->address();
  listener_->Stop();
  listener_->Stop();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  absl::Status status;
  do {
    auto again = Listener::Start(address, threads_, [](tcp::socket) {});
    status = again.status();
  } while (!status.ok() && std::chrono::steady_clock::now() < give_up);
  EXPECT_TRUE(status.ok()) << status;
}

// For AddressSanitizer: connections may be anywhere on their way.
TEST(ListenerShutdownTest, ThreadsMayEndWithConnectionsOnTheirWay) {
  for (int round = 0; round < 50; ++round) {
    asio::io_context client_context;
    std::vector<tcp::socket> clients;
    IoThreads threads(3);
    auto listener = Listener::Start("127.0.0.1:0", threads, [](tcp::socket) {});
    ASSERT_TRUE(listener.ok()) << listener.status();
    for (int i = 0; i < round % 8; ++i) {
      clients.emplace_back(client_context);
      asio::error_code ignored;
      clients.back().connect(tcp::endpoint(asio::ip::address_v4::loopback(), (*listener)->port()),
                             ignored);
    }
    if (round % 2 == 0) threads.Stop();
    listener->reset();
  }
}

TEST_F(ListenerTest, AcceptsAgainAfterDescriptorsHaveRunOut) {
  Start("127.0.0.1:0");
  Connect(asio::ip::address_v4::loopback());  // the client's context needs descriptors too
  ASSERT_EQ(accepted_.WaitFor(1), 1u);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit low = limit;
  low.rlim_cur = 60;
  std::vector<tcp::socket> clients;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  while (true) {
    // Both ends of each connection are descriptors of this process.
    tcp::socket client(client_context_);
    asio::error_code error;
    client.open(tcp::v4(), error);
    if (!error) {
      client.connect(tcp::endpoint(asio::ip::address_v4::loopback(), listener_->port()), error);
    }
    if (error) break;
    clients.push_back(std::move(client));
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (listener_->pause_count() == 0 && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_GT(listener_->pause_count(), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(accepted_.WaitFor(clients.size() + 1), clients.size() + 1);
}

}  // namespace
}  // namespace turnpike::net
