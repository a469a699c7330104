#include "services/common/net/testing/scripted_peer.h"

#include <gtest/gtest.h>

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace turnpike::net::testing {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

// The next line without its CRLF; `<closed>` at the end or on an error.
asio::awaitable<std::string> ReadLine(Stream* stream, std::string* input) {
  char buffer[4096];
  size_t end;
  while ((end = input->find("\r\n")) == std::string::npos) {
    const absl::StatusOr<size_t> count = co_await stream->Read(absl::MakeSpan(buffer), Soon());
    if (!count.ok() || *count == 0) co_return absl::StrCat(*input, "<closed>");
    input->append(buffer, *count);
  }
  std::string line = input->substr(0, end);
  input->erase(0, end + 2);
  co_return line;
}

bool Matches(absl::string_view line, absl::string_view expected) {
  return absl::ConsumeSuffix(&expected, "*") ? absl::StartsWith(line, expected) : line == expected;
}

}  // namespace

asio::awaitable<void> PlayScript(Stream* stream, std::string script,
                                 std::shared_ptr<const TlsContext> context, std::string* heard) {
  std::string input;
  const std::vector<std::string> steps = absl::StrSplit(script, '\n', absl::SkipEmpty());
  for (const std::string& step : steps) {
    const std::string argument = step.size() > 3 ? step.substr(3) : "";
    if (absl::StartsWith(step, "S:")) {
      co_await stream->Write(absl::StrCat(argument, "\r\n"), Soon());
    } else if (absl::StartsWith(step, "S-")) {
      std::string octets;
      EXPECT_TRUE(absl::CUnescape(argument, &octets)) << argument;
      co_await stream->Write(octets, Soon());
    } else if (absl::StartsWith(step, "C:")) {
      const std::string line = co_await ReadLine(stream, &input);
      if (heard != nullptr) absl::StrAppend(heard, line, "\n");
      EXPECT_TRUE(Matches(line, argument)) << "expected: " << argument << "\nheard:    " << line;
      if (!Matches(line, argument)) break;
    } else if (step == "TLS") {
      EXPECT_EQ(input, "");
      const absl::Status status = co_await stream->StartTlsAsServer(context, Soon());
      EXPECT_TRUE(status.ok()) << status;
    } else if (step == "END") {
      EXPECT_EQ(co_await ReadLine(stream, &input), "<closed>");
    } else if (step == "PAUSE") {
      asio::steady_timer timer(stream->executor());
      timer.expires_after(std::chrono::milliseconds(100));
      co_await timer.async_wait(asio::use_awaitable);
    } else if (step == "RESET") {
      stream->Close();
      co_return;
    } else {
      ADD_FAILURE() << "no such step: " << step;
    }
  }
  EXPECT_EQ(input, "") << "more than the script expects";
  co_await stream->CloseGracefully();
}

}  // namespace turnpike::net::testing
