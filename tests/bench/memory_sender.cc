// Sends messages from memory over one connection with Turnpike's own SMTP client, and prints the
// messages per second: what a drain could reach if it had nothing to lease and nothing to settle.
// The other side is what takes mail in the drain benchmark: `atrn_taker --listen`.
//
//   memory_sender --port 2525 --messages 5000 --bytes 4096
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"

ABSL_FLAG(int, port, 2525, "of the sink on 127.0.0.1");
ABSL_FLAG(int, messages, 5000, "how many");
ABSL_FLAG(int, bytes, 4096, "of the content of each");

namespace {

using turnpike::net::SmtpClient;
using turnpike::net::SmtpTransaction;
using turnpike::net::Stream;
namespace smtp = turnpike::smtp;

std::string Content(size_t bytes) {
  std::string content = "From: ann@sender.test\r\nSubject: bench\r\n\r\n";
  while (content.size() < bytes) content += std::string(70, 'x') + "\r\n";
  return content;
}

smtp::Path PathOf(const char* text) { return *smtp::Path::Parse(text, {}); }

asio::awaitable<void> Send(int* taken) {
  const asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                         static_cast<uint16_t>(absl::GetFlag(FLAGS_port)));
  absl::StatusOr<std::unique_ptr<Stream>> stream =
      co_await Stream::Connect(endpoint, absl::Now() + absl::Seconds(10));
  if (!stream.ok()) co_return;
  turnpike::net::SmtpClientOptions options;
  options.engine.host_name = "sender.test";
  SmtpClient client(**stream, std::move(options));
  const auto end = co_await client.Open();
  if (end.has_value()) co_return;
  const std::string content = Content(static_cast<size_t>(absl::GetFlag(FLAGS_bytes)));
  for (int i = 0; i < absl::GetFlag(FLAGS_messages) && client.can_send(); ++i) {
    SmtpTransaction transaction;
    transaction.message.return_path = PathOf("ann@sender.test");
    transaction.message.recipients.push_back({.path = PathOf("bob@held.test")});
    transaction.content = content;
    SmtpClient::OnOutcomes count = [taken](std::vector<smtp::RecipientOutcome> outcomes) {
      if (outcomes[0].disposition == smtp::Disposition::kDelivered) ++*taken;
    };
    co_await client.Begin(std::move(transaction), std::move(count));
  }
  co_await client.Finish();
  co_await client.Quit();
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  asio::io_context context(1);
  int taken = 0;
  const absl::Time begin = absl::Now();
  asio::co_spawn(context, Send(&taken), asio::detached);
  context.run();
  if (taken != absl::GetFlag(FLAGS_messages)) {
    std::fprintf(stderr, "memory_sender: only %d messages were taken\n", taken);
    return 1;
  }
  std::printf("%.1f\n", taken / absl::ToDoubleSeconds(absl::Now() - begin));
}
