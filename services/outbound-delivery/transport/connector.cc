#include "services/outbound-delivery/transport/connector.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/await.h"
#include "services/common/net/password_sasl_client.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/outbound-delivery/security/tls_failures.h"
#include "services/outbound-delivery/transport/connection_key.h"

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
      return {.reply = end.reply, .host = host, .is_from_peer = true};
    case Cause::kTlsNotOffered:
      return OwnFailure(kTlsNotOffered, absl::StrCat("(", host, ")"));
    case Cause::kTlsRefused:
      // Said of the connection, not of mail.
      return OwnFailure(kTlsNotOffered,
                        absl::StrCat("(", host, " said: ", end.reply.ToString(), ")"));
    case Cause::kAuthNotOffered:
      return OwnFailure(kLoginImpossible, absl::StrCat("(", host, ")"));
    case Cause::kAuthFailed:
      return OwnFailure(kLoginRefused,
                        absl::StrCat("(", host, " said: ", end.reply.ToString(), ")"));
    case Cause::kTimeout:
      return OwnFailure(kPeerTimeout, absl::StrCat("(", host, ")"));
    case Cause::kTlsFailed:
      return OwnFailure(kTlsFailed, absl::StrCat("with ", host, ": ", end.reply.text()));
    case Cause::kProtocolError:
      return OwnFailure(kConnectionLost, absl::StrCat("(", host, " does not speak SMTP)"));
    default:
      return OwnFailure(kConnectionLost, absl::StrCat("(", host, ")"));
  }
}

// Which of two hosts' failures tells more: a host's own words, 4xx above 5xx (DL-32), more than our
// own; and those more than that nobody was there.
int Weight(const Failure& failure) {
  if (failure.is_from_peer) return failure.reply.is_transient() ? 3 : 2;
  return failure.is_unreachable ? 0 : 1;
}

void Discard(Connection& connection, const Connector::OnStream& on_stream) {
  on_stream(nullptr);
  connection.client.reset();
  connection.stream->Close();
  connection.stream.reset();
}

}  // namespace

Connector::Connector(Options options, const Environment& environment)
    : options_(std::move(options)),
      environment_(environment),
      health_({.sick_time = options_.sick_time}) {}

asio::awaitable<Resolution> Connector::Resolve(RoutePlanPtr plan) {
  net::StartOperation<Resolution> start = [this, plan](absl::AnyInvocable<void(Resolution)> done) {
    environment_.resolver->Resolve(*plan, std::move(done));
  };
  co_return co_await net::Await<Resolution>(std::move(start));
}

asio::awaitable<absl::Status> Connector::CheckPop(std::string name) {
  net::StartOperation<absl::Status> start = [this,
                                             name](absl::AnyInvocable<void(absl::Status)> done) {
    environment_.pop_checks->Ensure(name, std::move(done));
  };
  co_return co_await net::Await<absl::Status>(std::move(start));
}

asio::awaitable<std::variant<Connection, Failure>> Connector::Open(RoutePlanPtr plan,
                                                                   OnStream on_stream) {
  if (plan->revision != options_.revision) {
    co_return Failure{.reply = kSlowDestination, .is_untried = true};
  }
  if (!plan->pop_check.empty()) {
    const absl::Status checked = co_await CheckPop(plan->pop_check);
    if (!checked.ok()) co_return OwnFailure(kPopCheckFailed, checked.message());
  }
  Resolution resolution = co_await Resolve(plan);
  if (resolution.failure) {
    co_return Failure{.reply = *resolution.failure, .is_unreachable = resolution.is_unreachable()};
  }
  std::vector<Hop> hops = std::move(resolution.hops);
  SortByHealth(hops);
  if (hops.size() > options_.hops_max) hops.resize(options_.hops_max);

  std::optional<Connection> idle = co_await FindIdle(plan, hops);
  if (idle) co_return *std::move(idle);

  const absl::Time give_up = environment_.clock->Now() + options_.open_time_max;
  const Metrics::Route& metrics = environment_.metrics->route(plan->kind);
  std::optional<Failure> failure;
  bool is_unreachable = true;
  std::vector<std::string> refusing;  // hosts
  for (const Hop& hop : hops) {
    if (failure && environment_.clock->Now() > give_up) break;
    if (std::find(refusing.begin(), refusing.end(), hop.host) != refusing.end()) continue;
    Try result = co_await TryHost(plan, hop, on_stream);
    if (result.connection.client != nullptr) {
      metrics.connections_opened->Increment();
      environment_.metrics->CountTlsSession(result.connection.tls_policy,
                                            result.connection.stream->tls_facts());
      co_return std::move(result.connection);
    }
    metrics.connections_failed->Increment();
    is_unreachable = is_unreachable && result.failure.is_unreachable;
    const bool is_refusal = result.failure.is_from_peer && result.failure.reply.is_permanent();
    const bool is_final = is_refusal && plan->returns_on_first_refusal;  // (DL-32)
    if (is_refusal) {
      refusing.push_back(hop.host);
    } else {
      ReportFailure(hop);  // who refuses is there all the same
    }
    if (is_final || !failure || Weight(result.failure) > Weight(*failure)) {
      failure = std::move(result.failure);
    }
    if (is_final) break;
  }
  failure->is_unreachable = is_unreachable;
  co_return *std::move(failure);
}

asio::awaitable<std::optional<Connection>> Connector::FindIdle(RoutePlanPtr plan,
                                                               std::vector<Hop> hops) {
  for (const Hop& hop : hops) {
    if (hop.preference != hops.front().preference) break;
    if (!idle_.Has(hop.ToString())) continue;
    const TlsAdvisor::Advice advice = co_await Advise(plan, hop);
    const auto* demand = std::get_if<TlsDemand>(&advice);
    if (demand == nullptr) continue;
    std::optional<Connection> idle = idle_.Take(hop.ToString(), ConnectionKey(*plan, hop, *demand));
    if (!idle) continue;
    environment_.metrics->route(plan->kind).connections_shared->Increment();
    idle->hop = hop;
    idle->tls_policy = TlsPolicyName(*demand);
    co_return idle;
  }
  co_return std::nullopt;
}

asio::awaitable<TlsAdvisor::Advice> Connector::Advise(RoutePlanPtr plan, Hop hop) {
  TlsAdvisor::Subject subject;
  subject.question = {.configured = plan->tls,
                      .message_requires_tls = plan->requires_tls,
                      .host = hop.host,
                      .is_host_authentic = hop.is_host_authentic};
  subject.port = hop.port;
  subject.are_addresses_authentic = hop.is_address_authentic && hop.is_host_authentic;
  if (plan->target == RoutePlan::Target::kDomain) subject.policy_domain = plan->name;
  net::StartOperation<TlsAdvisor::Advice> start =
      [this, subject](absl::AnyInvocable<void(TlsAdvisor::Advice)> done) {
        environment_.tls_advisor->Advise(subject, std::move(done));
      };
  co_return co_await net::Await<TlsAdvisor::Advice>(std::move(start));
}

asio::awaitable<Connector::Try> Connector::TryHost(RoutePlanPtr plan, Hop hop, OnStream on_stream) {
  const TlsAdvisor::Advice advice = co_await Advise(plan, hop);
  if (const auto* refusal = std::get_if<smtp::Reply>(&advice)) {
    Try refused;
    refused.failure = {.reply =
                           smtp::Reply(refusal->code(), refusal->enhanced(),
                                       absl::StrCat(refusal->text(), " (", hop.ToString(), ")"))};
    co_return refused;
  }
  TlsDemand demand = std::get<TlsDemand>(advice);
  // As it was demanded, whatever comes of it.
  std::string key = ConnectionKey(*plan, hop, demand);
  if (demand.test == TlsDemand::Test::kVerified) {
    TlsDemand tested = demand;
    tested.level = TlsDemand::Level::kVerified;
    Try test = co_await TryHop(plan, hop, tested, on_stream);
    if (!test.is_tls_failure) {
      test.connection.key = std::move(key);
      co_return test;
    }
  }
  if (demand.test != TlsDemand::Test::kNothing) {
    environment_.metrics->sts_test_failures->Increment();
  }
  Try result = co_await TryHop(plan, hop, demand, on_stream);
  if (result.is_tls_failure && demand.level == TlsDemand::Level::kOpportunistic) {
    demand.level = TlsDemand::Level::kNone;
    result = co_await TryHop(plan, hop, demand, on_stream);
  }
  result.connection.key = std::move(key);
  co_return result;
}

asio::awaitable<Connector::Try> Connector::TryHop(RoutePlanPtr plan, Hop hop, TlsDemand demand,
                                                  OnStream on_stream) {
  Try result;
  const std::string host = hop.ToString();
  const asio::ip::tcp::endpoint endpoint(hop.address.ToAsio(), hop.port);
  absl::StatusOr<std::unique_ptr<net::Stream>> stream =
      co_await net::Stream::Connect(endpoint, absl::Now() + options_.connect_timeout);
  if (!stream.ok()) {
    result.failure =
        OwnFailure(kCannotConnect, absl::StrCat("to ", host, ": ", stream.status().message()));
    result.failure.is_unreachable = true;
    co_return result;
  }
  Connection& connection = result.connection;
  connection.hop = hop;
  connection.host = host;
  connection.stream = *std::move(stream);
  on_stream(connection.stream.get());
  net::SmtpClientOptions options;
  options.engine.host_name = options_.host_name;
  options.engine.is_lmtp = hop.is_lmtp;
  options.timeouts = options_.timeouts;
  static const std::string* const kNoDomain = new std::string();
  environment_.tls_clients->Apply(
      {.demand = demand,
       .hop = hop,
       .next_hop = plan->target == RoutePlan::Target::kDomain ? plan->name : *kNoDomain,
       .is_implicit = plan->tls == RoutePlan::Tls::kImplicit},
      &options);
  connection.tls_policy = TlsPolicyName(demand);
  const Login* const login = plan->login.empty() ? nullptr : environment_.logins->Find(plan->login);
  if (login != nullptr) {
    connection.sasl = net::CreatePasswordSaslClient({.user = login->username,
                                                     .password = login->password,
                                                     .allow_clear_text = login->allow_cleartext});
    options.sasl = connection.sasl.get();
  }
  connection.client = std::make_unique<net::SmtpClient>(*connection.stream, std::move(options));
  const std::optional<net::SmtpSessionEnd> end = co_await connection.client->Open();
  const bool lacks_require_tls =
      !end && demand.needs_require_tls && !connection.client->engine().capabilities().require_tls;
  if (!end && !lacks_require_tls) co_return result;
  if (lacks_require_tls) {
    result.failure = OwnFailure(kRequireTlsNotOffered, absl::StrCat("(", host, ")"));
    Discard(connection, on_stream);
    co_return result;
  }

  result.failure = FailureOf(*end, host);
  result.is_tls_failure = end->cause == Cause::kTlsFailed || end->cause == Cause::kTlsRefused ||
                          end->cause == Cause::kTlsNotOffered;
  if (result.is_tls_failure && demand.needs_require_tls) {
    result.failure = OwnFailure(kEncryptionNeeded, absl::StrCat("(", host, ")"));
  }
  const bool was_greeted = connection.client->engine().greeting().code() != 0;
  result.failure.is_unreachable =
      !was_greeted && (end->cause == Cause::kDisconnected || end->cause == Cause::kTimeout);
  if (end->cause == Cause::kAuthFailed || end->cause == Cause::kAuthNotOffered) {
    environment_.metrics->logins_failed->Increment();
  }
  if (result.failure.is_from_peer) {
    environment_.metrics->CountBannerReply(end->reply.code());
    // A smart host's refusal is judged by DL-33, a recipients' domain's by DL-32.
    const bool judges_mail = !plan->is_indirect || plan->kind == RoutePlan::Kind::kSmartHost;
    if (end->reply.is_permanent() && !judges_mail) {
      // It does not know yet what mail we have: no verdict on it. The words are kept.
      result.failure.reply =
          smtp::Reply(kCannotConnect, absl::StrCat(host, " refused: ", end->reply.ToString()));
      result.failure.is_from_peer = false;
      result.failure.host.clear();
    }
  }
  Discard(connection, on_stream);
  co_return result;
}

void Connector::SortByHealth(std::vector<Hop>& hops) {
  const absl::Time now = environment_.clock->Now();
  absl::MutexLock lock(&mu_);
  std::stable_partition(hops.begin(), hops.end(), [&](const Hop& hop) {
    mu_.AssertHeld();
    return !health_.IsSick(hop.EndpointText(), now);
  });
}

void Connector::ReportFailure(const Hop& hop) {
  absl::MutexLock lock(&mu_);
  health_.OnFailure(hop.EndpointText(), environment_.clock->Now());
}

void Connector::ReportSuccess(const Hop& hop) {
  absl::MutexLock lock(&mu_);
  health_.OnSuccess(hop.EndpointText());
}

}  // namespace turnpike::delivery
