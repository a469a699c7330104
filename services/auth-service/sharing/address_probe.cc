#include "services/auth-service/sharing/address_probe.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/await_token.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"

namespace turnpike::auth {
namespace {

constexpr size_t kAddressesMax = 4;  // of one host

using Endpoints = std::vector<asio::ip::tcp::endpoint>;

asio::awaitable<Endpoints> Resolve(ProbeTarget target) {
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(target.host, error);
  if (!error) co_return Endpoints{asio::ip::tcp::endpoint(address, target.port)};
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  const std::string port = absl::StrCat(target.port);
  auto [failure, results] = co_await resolver.async_resolve(target.host, port, net::kAwait);
  Endpoints endpoints;
  if (failure) co_return endpoints;
  for (const auto& result : results) {
    if (endpoints.size() < kAddressesMax) endpoints.push_back(result.endpoint());
  }
  co_return endpoints;
}

asio::awaitable<std::shared_ptr<net::Stream>> Connect(Endpoints endpoints, absl::Time deadline) {
  for (const asio::ip::tcp::endpoint& endpoint : endpoints) {
    absl::StatusOr<std::unique_ptr<net::Stream>> stream =
        co_await net::Stream::Connect(endpoint, deadline);
    if (stream.ok()) co_return *std::move(stream);
  }
  co_return nullptr;
}

ProbeAnswer AnswerOf(const std::vector<smtp::RecipientOutcome>& outcomes) {
  switch (outcomes.at(0).disposition) {
    case smtp::Disposition::kDelivered:
      return ProbeAnswer::kFound;
    case smtp::Disposition::kPermanentFailure:
      // The server must have said so of the recipient; refusing us says nothing of it.
      return outcomes[0].stage == smtp::Stage::kRecipient ? ProbeAnswer::kNotFound
                                                          : ProbeAnswer::kNoAnswer;
    case smtp::Disposition::kTransientFailure:
    case smtp::Disposition::kUnknown:
      break;
  }
  return ProbeAnswer::kNoAnswer;
}

asio::awaitable<ProbeAnswer> Converse(net::Stream* stream, net::SmtpClientOptions options,
                                      smtp::Mailbox address) {
  net::SmtpClient client(*stream, std::move(options));
  const std::optional<net::SmtpSessionEnd> end = co_await client.Open();
  if (end.has_value() || !client.can_send()) co_return ProbeAnswer::kNoAnswer;
  net::SmtpTransaction transaction;
  transaction.message.is_question = true;
  transaction.message.parameters.smtp_utf8 = address.has_non_ascii_local_part();
  transaction.message.recipients.push_back({.path = smtp::Path(std::move(address))});
  const std::vector<smtp::RecipientOutcome> outcomes = co_await client.Send(std::move(transaction));
  co_await client.Quit();
  co_return AnswerOf(outcomes);
}

}  // namespace

asio::awaitable<ProbeAnswer> ProbeAddress(ProbeOptions options, ProbeTarget target,
                                          smtp::Mailbox address) {
  const absl::Time deadline = absl::Now() + options.timeout;
  Endpoints endpoints = co_await Resolve(target);
  const std::shared_ptr<net::Stream> stream = co_await Connect(std::move(endpoints), deadline);
  if (stream == nullptr) co_return ProbeAnswer::kNoAnswer;

  // A server that says a little now and then is cut off like one that says nothing.
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(absl::ToChronoNanoseconds(deadline - absl::Now()));
  timer.async_wait([weak = std::weak_ptr<net::Stream>(stream)](const asio::error_code& error) {
    const std::shared_ptr<net::Stream> stream = weak.lock();
    if (!error && stream != nullptr) stream->Close();
  });
  const absl::Duration left = deadline - absl::Now();
  net::SmtpClientOptions client;
  client.engine.host_name = options.host_name;
  client.engine.is_lmtp = target.is_lmtp;
  client.timeouts = {.greeting = left, .command = left, .quit = std::min(left, absl::Seconds(1))};
  client.tls = options.tls_context != nullptr ? net::SmtpTls::kOpportunistic : net::SmtpTls::kNone;
  client.tls_context = options.tls_context;
  const ProbeAnswer answer = co_await Converse(stream.get(), std::move(client), std::move(address));
  stream->Close();
  co_return answer;
}

}  // namespace turnpike::auth
