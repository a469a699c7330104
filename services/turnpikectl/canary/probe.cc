#include "services/turnpikectl/canary/probe.h"

#include <algorithm>
#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/await_token.h"
#include "services/common/net/listening_socket.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"
#include "services/turnpikectl/canary/receiver.h"

namespace turnpike::ctl {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);
constexpr int kBodyLines = 60;

std::string RandomText(size_t octets) {
  std::string bytes(octets, '\0');
  base::FillRandom(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
  return absl::WebSafeBase64Escape(bytes);
}

struct Message {
  std::string recipient;
  std::string content;
};

// With what hosts on the way like to change: leading dots, blanks at the end of a line.
Message MakeMessage(const ProbeOptions& options) {
  const std::string id = absl::AsciiStrToLower(absl::BytesToHexString(RandomText(9)));
  Message message{.recipient = absl::StrCat("probe-", id, "@", options.domain)};
  absl::StrAppend(&message.content, "From: <", options.sender, ">\r\nTo: <", message.recipient,
                  ">\r\nSubject: Turnpike canary ", id, "\r\nDate: ",
                  absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", absl::Now(), absl::UTCTimeZone()),
                  "\r\nMessage-ID: <", id, "@", options.host_name,
                  ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
  for (int line = 0; line < kBodyLines; ++line) {
    absl::StrAppend(&message.content, line % 7 == 0 ? "." : "", RandomText(48),
                    line % 5 == 0 ? " " : "", "\r\n");
  }
  return message;
}

absl::Status FailureOf(const upstream::Ending& ending) {
  std::string text = ending.detail;
  if (ending.reply.code() != 0) {
    absl::StrAppend(&text, text.empty() ? "" : ": ", ending.reply.ToString());
  }
  return absl::InternalError(text.empty() ? "the session was lost" : text);
}

class Probe {
 public:
  Probe(const ProbeOptions& options, asio::io_context& context)
      : options_(options),
        context_(context),
        deadline_(absl::Now() + options.timeout),
        message_(MakeMessage(options)),
        acceptor_(context),
        news_(context) {}

  asio::awaitable<void> Run() {
    const absl::Time begin = absl::Now();
    co_await Steps();
    result_.duration = absl::Now() - begin;
    asio::error_code ignored;
    acceptor_.close(ignored);
    for (net::Stream* stream : streams_) stream->Close();
  }

  // Ends what is under way, soon.
  void Abort() {
    is_aborted_ = true;
    if (connection_ != nullptr) connection_->Abort();
    for (net::Stream* stream : streams_) stream->Close();
    news_.cancel();
  }

  const ProbeResult& result() const { return result_; }

 private:
  using Step = asio::awaitable<absl::Status> (Probe::*)();

  asio::awaitable<void> Steps() {
    const bool is_etrn = options_.path == ProbePath::kEtrn;
    if (is_etrn && !co_await Do("listen", &Probe::Listen)) co_return;
    if (!co_await Do("submit", &Probe::Submit)) co_return;
    result_.is_lost = true;  // until it is here
    if (is_etrn) {
      if (!co_await Do("request", &Probe::RequestEtrn)) co_return;
      if (!co_await Do("receive", &Probe::AwaitMessage)) co_return;
    } else {
      if (!co_await Do("collect", &Probe::CollectAtrn)) co_return;
    }
    result_.is_lost = false;
    co_await Do("compare", &Probe::Compare);
  }

  asio::awaitable<bool> Do(const char* name, Step step) {
    const absl::Time begin = absl::Now();
    absl::Status status = co_await (this->*step)();
    if (!status.ok() && is_aborted_) {
      status = absl::DeadlineExceededError(absl::StrCat(
          "not done within ", absl::FormatDuration(options_.timeout), ": ", status.message()));
    }
    result_.steps.push_back(
        {.name = name, .duration = absl::Now() - begin, .status = std::move(status)});
    co_return result_.steps.back().status.ok();
  }

  asio::awaitable<absl::Status> Submit() {
    smtp::OutgoingMessage outgoing;
    TURNPIKE_CO_ASSIGN_OR_RETURN(outgoing.return_path, smtp::Path::Parse(options_.sender, {}));
    outgoing.recipients.emplace_back();
    TURNPIKE_CO_ASSIGN_OR_RETURN(outgoing.recipients.back().path,
                                 smtp::Path::Parse(message_.recipient, {}));
    TURNPIKE_CO_RETURN_IF_ERROR(co_await Connect(options_.submit));
    net::SmtpTransaction transaction;
    transaction.message = std::move(outgoing);
    transaction.content = message_.content;
    const std::vector<smtp::RecipientOutcome> outcomes =
        co_await connection_->client().Send(std::move(transaction));
    const smtp::RecipientOutcome& outcome = outcomes.front();
    absl::Status status;
    if (outcome.disposition != smtp::Disposition::kDelivered) {
      status = absl::InternalError(absl::StrCat("not taken: ", outcome.reply.ToString()));
    }
    co_await connection_->client().Quit();
    connection_ = nullptr;
    co_return status;
  }

  asio::awaitable<absl::Status> Connect(const upstream::Server& server) {
    connection_ = std::make_unique<upstream::Connection>(server, options_.host_name);
    const std::optional<upstream::Ending> failure = co_await connection_->Open();
    if (!failure.has_value()) co_return absl::OkStatus();
    connection_ = nullptr;
    co_return FailureOf(*failure);
  }

  // --- ATRN ---

  asio::awaitable<absl::Status> CollectAtrn() {
    absl::Status status = absl::InternalError("no ATRN session");
    while (!is_aborted_) {
      status = co_await CollectOnce();
      if (!received_.empty() || !is_worth_retrying_) co_return status;
      co_await Sleep(kRetryDelay);
    }
    co_return status;
  }

  asio::awaitable<absl::Status> CollectOnce() {
    is_worth_retrying_ = false;
    TURNPIKE_CO_ASSIGN_OR_RETURN(const smtp::DomainName domain,
                                 smtp::DomainName::Parse(options_.domain));
    TURNPIKE_CO_RETURN_IF_ERROR(co_await Connect(options_.dequeue));
    std::vector<smtp::DomainName> domains = {domain};
    const std::optional<smtp::Reply> reply =
        co_await connection_->client().Atrn(std::move(domains));
    if (!reply.has_value() || !reply->is_positive()) {
      absl::Status status = reply.has_value() ? absl::InternalError(reply->ToString())
                                              : FailureOf(connection_->ending());
      // Another session of the gateway runs, or the store is away: [RFC2645 5.2.1].
      is_worth_retrying_ = reply.has_value() && reply->is_transient();
      co_await connection_->client().Quit();
      connection_ = nullptr;
      co_return status;
    }
    stream_ = connection_->TakeStream();
    connection_ = nullptr;
    const absl::Status status = co_await Receive(*stream_);
    stream_ = nullptr;
    if (received_.empty()) {
      is_worth_retrying_ = status.ok();
      co_return status.ok() ? absl::InternalError("the session ended without the message") : status;
    }
    co_return absl::OkStatus();
  }

  // --- ETRN ---

  asio::awaitable<absl::Status> Listen() {
    TURNPIKE_CO_ASSIGN_OR_RETURN(const net::ListeningSocket socket,
                                 net::ListenTcp(options_.listen));
    asio::error_code error;
    acceptor_.assign(socket.is_v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), socket.descriptor,
                     error);
    if (error) co_return absl::InternalError(error.message());
    asio::co_spawn(context_, Accept(), [](const std::exception_ptr&) {});
    co_return absl::OkStatus();
  }

  asio::awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      auto [error, socket] = co_await acceptor_.async_accept(net::kAwait);
      if (error) co_return;
      auto stream = std::make_unique<net::Stream>(std::move(socket));
      asio::co_spawn(context_, Serve(std::move(stream)), [](const std::exception_ptr&) {});
    }
  }

  asio::awaitable<void> Serve(std::unique_ptr<net::Stream> stream) {
    (void)co_await Receive(*stream);  // what the session brings is what counts
  }

  asio::awaitable<absl::Status> RequestEtrn() {
    absl::Status status = absl::InternalError("no ETRN session");
    while (!is_aborted_) {
      status = co_await RequestOnce();
      if (status.ok() || !is_worth_retrying_) co_return status;
      co_await Sleep(kRetryDelay);
    }
    co_return status;
  }

  asio::awaitable<absl::Status> RequestOnce() {
    is_worth_retrying_ = false;
    TURNPIKE_CO_RETURN_IF_ERROR(co_await Connect(options_.dequeue));
    const std::optional<smtp::Reply> reply = co_await connection_->client().Etrn(options_.domain);
    absl::Status status;
    if (!reply.has_value()) {
      status = FailureOf(connection_->ending());
    } else if (!reply->is_positive() || reply->code() == 251) {
      // 458: the store, or a part of it, is away [RFC1985].
      is_worth_retrying_ = reply->code() == 458 || reply->code() == 251;
      status = absl::InternalError(reply->ToString());
    }
    co_await connection_->client().Quit();
    connection_ = nullptr;
    co_return status;
  }

  asio::awaitable<absl::Status> AwaitMessage() {
    while (received_.empty() && !is_aborted_) co_await Sleep(absl::Minutes(1));
    co_return received_.empty() ? absl::InternalError("the message did not come")
                                : absl::OkStatus();
  }

  // --- Both ---

  asio::awaitable<absl::Status> Receive(net::Stream& stream) {
    streams_.insert(&stream);
    const std::function<void(std::string)> keep = [this](std::string content) {
      if (content.find(message_.recipient) == std::string::npos) return;
      received_ = std::move(content);
      news_.cancel();
    };
    absl::Status status = co_await ReceiveMail(stream, options_.host_name, deadline_, keep);
    streams_.erase(&stream);
    stream.Close();
    co_return status;
  }

  asio::awaitable<absl::Status> Compare() {
    const absl::string_view came = WithoutTrace(received_);
    if (came == message_.content) co_return absl::OkStatus();
    const size_t at = static_cast<size_t>(
        std::mismatch(came.begin(), came.end(), message_.content.begin(), message_.content.end())
            .first -
        came.begin());
    co_return absl::DataLossError(absl::StrCat("it differs at octet ", at, " of ",
                                               message_.content.size(), "; ", came.size(),
                                               " octets came"));
  }

  // Until then, or until there is news.
  asio::awaitable<void> Sleep(absl::Duration duration) {
    news_.expires_after(absl::ToChronoMilliseconds(duration));
    (void)co_await news_.async_wait(net::kAwait);
  }

  const ProbeOptions& options_;
  asio::io_context& context_;
  const absl::Time deadline_;
  const Message message_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer news_;  // cancelled when there is some
  std::unique_ptr<upstream::Connection> connection_;
  std::unique_ptr<net::Stream> stream_;
  std::set<net::Stream*> streams_;  // that are served
  std::string received_;            // our message; empty: not yet
  bool is_worth_retrying_ = false;
  bool is_aborted_ = false;
  ProbeResult result_;
};

}  // namespace

ProbeResult RunProbe(const ProbeOptions& options) {
  asio::io_context context;
  Probe probe(options, context);
  asio::steady_timer deadline(context);
  deadline.expires_after(absl::ToChronoMilliseconds(options.timeout));
  deadline.async_wait([&probe](const asio::error_code& error) {
    if (!error) probe.Abort();
  });
  asio::co_spawn(context, probe.Run(),
                 [&deadline](const std::exception_ptr&) { deadline.cancel(); });
  context.run();
  return probe.result();
}

}  // namespace turnpike::ctl
