#include "services/outbound-delivery/transport/connector.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/net/await.h"
#include "services/common/net/tls_context.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

using Cause = net::SmtpSessionEnd::Cause;

Failure OwnFailure(const smtp::ReplyCode& code, absl::string_view detail) {
  return {.reply = smtp::Reply(code, absl::StrCat(code.text, " ", detail))};
}

// Why `end` left us without a session with `host`.
Failure FailureOf(const net::SmtpSessionEnd& end, const std::string& host) {
  switch (end.cause) {
    case Cause::kRefused:
    case Cause::kServiceClosing:
    case Cause::kTlsRefused:
      return {.reply = end.reply, .host = host, .is_from_peer = true};
    case Cause::kTimeout:
      return OwnFailure(kPeerTimeout, absl::StrCat("(", host, ")"));
    case Cause::kTlsFailed:
      return OwnFailure(kTlsFailed, absl::StrCat("with ", host));
    case Cause::kProtocolError:
      return OwnFailure(kConnectionLost, absl::StrCat("(", host, " does not speak SMTP)"));
    default:
      return OwnFailure(kConnectionLost, absl::StrCat("(", host, ")"));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connector>> Connector::Create(Options options, Resolver& resolver,
                                                             Metrics& metrics,
                                                             const base::Clock& clock) {
  std::shared_ptr<const net::TlsContext> context;
  if (options.opportunistic_tls) {
    auto created = net::TlsContext::ForUnverifyingClient();
    if (!created.ok()) return created.status();
    context = *std::move(created);
  }
  return std::unique_ptr<Connector>(
      new Connector(std::move(options), std::move(context), resolver, metrics, clock));
}

Connector::Connector(Options options, std::shared_ptr<const net::TlsContext> tls_context,
                     Resolver& resolver, Metrics& metrics, const base::Clock& clock)
    : options_(std::move(options)),
      tls_context_(std::move(tls_context)),
      resolver_(resolver),
      metrics_(metrics),
      clock_(clock),
      health_({.sick_time = options_.sick_time}) {}

asio::awaitable<Resolution> Connector::Resolve(RoutePlan plan) {
  net::StartOperation<Resolution> start = [this, plan](absl::AnyInvocable<void(Resolution)> done) {
    resolver_.Resolve(plan, std::move(done));
  };
  co_return co_await net::Await<Resolution>(std::move(start));
}

asio::awaitable<std::variant<Connection, Failure>> Connector::Open(RoutePlan plan,
                                                                   OnStream on_stream) {
  Resolution resolution = co_await Resolve(plan);
  if (resolution.failure) co_return Failure{.reply = *resolution.failure};
  std::vector<Hop> hops = std::move(resolution.hops);
  SortByHealth(hops);
  if (hops.size() > options_.hops_max) hops.resize(options_.hops_max);

  const absl::Time give_up = clock_.Now() + options_.open_time_max;
  std::optional<Failure> failure;
  for (const Hop& hop : hops) {
    if (failure && clock_.Now() > give_up) break;
    const net::SmtpTls tls =
        tls_context_ != nullptr ? net::SmtpTls::kOpportunistic : net::SmtpTls::kNone;
    Try result = co_await TryHop(hop, plan.is_indirect, tls, on_stream);
    if (result.may_retry_in_clear) {
      result = co_await TryHop(hop, plan.is_indirect, net::SmtpTls::kNone, on_stream);
    }
    if (result.client != nullptr) {
      metrics_.route(plan.kind).connections_opened->Increment();
      metrics_.CountTlsSession(result.stream->tls_facts().protocol,
                               result.client->engine().capabilities().start_tls);
      co_return Connection{.hop = hop,
                           .host = hop.ToString(),
                           .stream = std::move(result.stream),
                           .client = std::move(result.client)};
    }
    metrics_.route(plan.kind).connections_failed->Increment();
    ReportFailure(hop);
    // A host's own words say more than that another one did not answer.
    if (!failure || result.is_final || (result.failure.is_from_peer && !failure->is_from_peer)) {
      failure = std::move(result.failure);
    }
    if (result.is_final) break;
  }
  co_return *std::move(failure);
}

asio::awaitable<Connector::Try> Connector::TryHop(Hop hop, bool is_indirect, net::SmtpTls tls,
                                                  OnStream on_stream) {
  Try result;
  const asio::ip::tcp::endpoint endpoint(hop.address.ToAsio(), hop.port);
  absl::StatusOr<std::unique_ptr<net::Stream>> stream =
      co_await net::Stream::Connect(endpoint, absl::Now() + options_.connect_timeout);
  if (!stream.ok()) {
    result.failure = OwnFailure(
        kCannotConnect, absl::StrCat("to ", hop.ToString(), ": ", stream.status().message()));
    co_return result;
  }
  result.stream = *std::move(stream);
  on_stream(result.stream.get());
  net::SmtpClientOptions options;
  options.engine.host_name = options_.host_name;
  options.engine.is_lmtp = hop.is_lmtp;
  options.timeouts = options_.timeouts;
  options.tls = tls;
  options.tls_context = tls_context_;
  // A name is sent, an address never. [RFC6066 3]
  if (hop.host != hop.address.ToString()) options.tls_peer.server_name = hop.host;
  auto client = std::make_unique<net::SmtpClient>(*result.stream, std::move(options));
  const std::optional<net::SmtpSessionEnd> end = co_await client->Open();
  if (!end) {
    result.client = std::move(client);
    co_return result;
  }
  result.failure = FailureOf(*end, hop.ToString());
  result.may_retry_in_clear =
      end->cause == Cause::kTlsFailed && tls == net::SmtpTls::kOpportunistic;
  if (result.failure.is_from_peer) {
    metrics_.CountBannerReply(end->reply.code());
    if (end->reply.is_permanent() && is_indirect) {
      // It does not know yet what mail we have: no verdict on it. The words are kept.
      result.failure.reply = smtp::Reply(
          kCannotConnect, absl::StrCat(hop.ToString(), " refused: ", end->reply.ToString()));
      result.failure.is_from_peer = false;
      result.failure.host.clear();
    } else {
      result.is_final = end->reply.is_permanent();  // (DL-32)
    }
  }
  on_stream(nullptr);
  client.reset();
  result.stream->Close();
  result.stream.reset();
  co_return result;
}

void Connector::SortByHealth(std::vector<Hop>& hops) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mu_);
  std::stable_partition(hops.begin(), hops.end(), [&](const Hop& hop) {
    mu_.AssertHeld();
    return !health_.IsSick(hop.EndpointText(), now);
  });
}

void Connector::ReportFailure(const Hop& hop) {
  absl::MutexLock lock(&mu_);
  health_.OnFailure(hop.EndpointText(), clock_.Now());
}

void Connector::ReportSuccess(const Hop& hop) {
  absl::MutexLock lock(&mu_);
  health_.OnSuccess(hop.EndpointText());
}

}  // namespace turnpike::delivery
