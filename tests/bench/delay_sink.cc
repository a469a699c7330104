// A far-away mail host for benchmarks: takes all mail and drops it, answers everything only after
// `--delay`, and never answers at all on addresses of 127.2.0.0/16. Writes its counters to standard
// output, a line every 50 ms: messages taken, sessions open, most sessions open at one time.
//
//   delay_sink --listen 0.0.0.0:25 --delay 100ms
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/net/await_token.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:25", "address:port");
ABSL_FLAG(absl::Duration, delay, absl::ZeroDuration(), "before each answer");

namespace {

using asio::ip::tcp;
using turnpike::net::kAwait;

constexpr absl::string_view kEndOfData = "\r\n.\r\n";
constexpr size_t kReadBytes = 32 * 1024;

struct Counters {
  long messages = 0;
  long sessions = 0;
  long sessions_most = 0;
};

// One peer's dialogue: octets in, replies out. Takes what pipelined clients send.
class Dialogue {
 public:
  explicit Dialogue(Counters& counters) : counters_(counters) {}

  // The replies to what has become complete; `ended` after QUIT.
  std::string Take(absl::string_view bytes, bool& ended) {
    input_.append(bytes.data(), bytes.size());
    std::string replies;
    for (bool goes_on = true; goes_on && !ended;) {
      goes_on = is_data_ ? TakeData(replies) : TakeLine(replies, ended);
    }
    return replies;
  }

 private:
  bool TakeLine(std::string& replies, bool& ended) {
    const size_t end = input_.find("\r\n");
    if (end == std::string::npos) return false;
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 2);
    if (absl::StartsWithIgnoreCase(line, "EHLO")) {
      replies += "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
    } else if (absl::StartsWithIgnoreCase(line, "DATA")) {
      replies += "354 go\r\n";
      is_data_ = true;
      input_.insert(0, "\r\n");  // so that a message may be empty
    } else if (absl::StartsWithIgnoreCase(line, "QUIT")) {
      replies += "221 bye\r\n";
      ended = true;
    } else {
      replies += "250 ok\r\n";
    }
    return true;
  }

  bool TakeData(std::string& replies) {
    const size_t end = input_.find(kEndOfData.data(), 0, kEndOfData.size());
    if (end == std::string::npos) {
      // What may be the beginning of the end stays.
      if (input_.size() > kEndOfData.size()) input_.erase(0, input_.size() - kEndOfData.size());
      return false;
    }
    input_.erase(0, end + kEndOfData.size());
    is_data_ = false;
    ++counters_.messages;
    replies += "250 taken\r\n";
    return true;
  }

  Counters& counters_;
  std::string input_;
  bool is_data_ = false;
};

bool NeverAnswers(const tcp::socket& socket) {
  asio::error_code error;
  const auto address = socket.local_endpoint(error).address();
  if (error || !address.is_v4()) return false;
  const auto octets = address.to_v4().to_bytes();
  return octets[0] == 127 && octets[1] == 2;
}

asio::awaitable<void> Wait(asio::steady_timer& timer) {
  timer.expires_after(absl::ToChronoMicroseconds(absl::GetFlag(FLAGS_delay)));
  co_await timer.async_wait(kAwait);
}

asio::awaitable<void> Converse(tcp::socket& socket, Counters& counters) {
  asio::steady_timer timer(socket.get_executor());
  Dialogue dialogue(counters);
  const bool is_silent = NeverAnswers(socket);
  std::string replies = "220 sink.test\r\n";
  std::string buffer(kReadBytes, '\0');
  bool ended = false;
  while (true) {
    if (!is_silent && !replies.empty()) {
      co_await Wait(timer);
      const auto [write_error, written] =
          co_await asio::async_write(socket, asio::buffer(replies), kAwait);
      if (write_error || ended) co_return;
    }
    const auto [error, count] = co_await socket.async_read_some(asio::buffer(buffer), kAwait);
    if (error) co_return;
    replies = dialogue.Take({buffer.data(), count}, ended);
  }
}

asio::awaitable<void> Serve(tcp::socket socket, Counters& counters) {
  ++counters.sessions;
  counters.sessions_most = std::max(counters.sessions_most, counters.sessions);
  co_await Converse(socket, counters);
  --counters.sessions;
}

asio::awaitable<void> Accept(tcp::acceptor& acceptor, Counters& counters) {
  while (true) {
    auto [error, socket] = co_await acceptor.async_accept(kAwait);
    if (error) continue;
    asio::co_spawn(acceptor.get_executor(), Serve(std::move(socket), counters), asio::detached);
  }
}

asio::awaitable<void> Report(asio::io_context& context, const Counters& counters) {
  asio::steady_timer timer(context);
  while (true) {
    timer.expires_after(std::chrono::milliseconds(50));
    co_await timer.async_wait(kAwait);
    std::printf("%ld %ld %ld\n", counters.messages, counters.sessions, counters.sessions_most);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string listen = absl::GetFlag(FLAGS_listen);
  const size_t colon = listen.rfind(':');
  int port = 0;
  asio::error_code error;
  const auto address = asio::ip::make_address(listen.substr(0, colon), error);
  if (error || colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port)) {
    std::fprintf(stderr, "delay_sink: --listen must be address:port\n");
    return 2;
  }
  asio::io_context context(1);
  tcp::acceptor acceptor(context, tcp::endpoint(address, static_cast<unsigned short>(port)));
  acceptor.listen(4096);
  Counters counters;
  asio::co_spawn(context, Accept(acceptor, counters), asio::detached);
  asio::co_spawn(context, Report(context, counters), asio::detached);
  context.run();
}
