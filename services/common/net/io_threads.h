// The threads that do a service's network I/O: one io_context each, so that what runs on one of
// them needs no locks.
#ifndef TURNPIKE_SERVICES_COMMON_NET_IO_THREADS_H_
#define TURNPIKE_SERVICES_COMMON_NET_IO_THREADS_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace asio {
class io_context;
}

namespace turnpike::net {

// Thread-safe, but for destruction.
class IoThreads {
 public:
  // Starts `count` threads; 0: one for each core.
  explicit IoThreads(size_t count);
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;
  // Stops and joins, then destroys one context after the other, and with it what was spawned there
  // and has not ended. Nothing of it may be in the midst of an operation of another thread
  // (net::Await) then, or hold sockets and timers of another context.
  ~IoThreads();

  size_t size() const;
  asio::io_context& context(size_t index);
  // Round robin.
  asio::io_context& Next();

  // Makes the threads end as soon as what they are running returns.
  void Stop();
  // Waits until each thread has nothing left to do, or was stopped. Not from one of the threads.
  // May be called once.
  void Join();

 private:
  struct Thread;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::atomic<size_t> next_{0};
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_IO_THREADS_H_
