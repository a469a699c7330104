#include "services/outbound-delivery/transport/session.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <exception>
#include <utility>
#include <variant>

#include "services/common/base/check.h"
#include "services/common/net/await_token.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/spooled/outgoing.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/spool-store/client/spooled_content.h"

namespace turnpike::delivery {
namespace {

using Cause = net::SmtpSessionEnd::Cause;

std::vector<smtp::RecipientOutcome> AllRecipients(const Work& work, smtp::Disposition disposition,
                                                  const smtp::Reply& reply) {
  return std::vector<smtp::RecipientOutcome>(
      static_cast<size_t>(work.delivery.recipients_size()),
      {.disposition = disposition, .stage = smtp::Stage::kLocal, .reply = reply});
}

bool IsInline(const Work& work) {
  return static_cast<int64_t>(work.delivery.inline_content().size()) ==
         work.delivery.content_bytes();
}

// Whether the peer lacks something that only content with 8-bit octets needs, so that the content
// must be looked at.
bool NeedsScan(const mail::v1::Envelope& envelope, const smtp::Capabilities& peer) {
  const bool may_have_8bit =
      envelope.smtputf8() || envelope.body_type() == mail::v1::BODY_TYPE_8BITMIME;
  return (may_have_8bit && !peer.eight_bit_mime) || (envelope.smtputf8() && !peer.smtp_utf8);
}

// The connection was lost, or given up by a 421, before anything was decided.
bool IsUndecided(const std::vector<smtp::RecipientOutcome>& outcomes) {
  return std::all_of(outcomes.begin(), outcomes.end(), [](const smtp::RecipientOutcome& outcome) {
    return outcome.disposition == smtp::Disposition::kTransientFailure &&
           (outcome.stage == smtp::Stage::kConnection ||
            (outcome.is_from_peer && outcome.reply.code() == smtp::kShuttingDown.code));
  });
}

}  // namespace

Session::Session(SessionId id, RoutePlan plan, const Environment& environment,
                 asio::io_context& context)
    : id_(id),
      plan_(std::move(plan)),
      environment_(environment),
      context_(context),
      timer_(context) {}

void Session::Start() {
  asio::post(context_, [self = shared_from_this()] {
    asio::co_spawn(self->context_, Run(self), [self](const std::exception_ptr& escaped) {
      // Nothing of ours throws; after bad_alloc a restart is the way out, and loses no mail.
      TURNPIKE_CHECK(escaped == nullptr);
    });
  });
}

void Session::Wake() {
  asio::post(context_, [self = shared_from_this()] {
    self->is_woken_ = true;
    self->timer_.cancel();
  });
}

void Session::Abort() {
  asio::post(context_, [self = shared_from_this()] {
    self->is_aborted_ = true;
    self->timer_.cancel();
    if (self->stream_ != nullptr) self->stream_->Close();
  });
}

asio::awaitable<void> Session::Run(std::shared_ptr<Session> self) {
  const Environment& environment = self->environment_;
  const absl::Time begin = environment.clock->Now();
  Connector::OnStream on_stream = [raw = self.get()](net::Stream* stream) {
    raw->stream_ = stream;
    if (stream != nullptr && raw->is_aborted_) stream->Close();
  };
  std::variant<Connection, Failure> opened =
      co_await environment.connector->Open(self->plan_, on_stream);
  if (const auto* failure = std::get_if<Failure>(&opened)) {
    environment.owner->OnSessionFailed(self->id_, *failure);
    co_return;
  }
  self->connection_time_ = environment.clock->Now() - begin;
  Connection& connection = std::get<Connection>(opened);
  prometheus::Gauge& connections = *environment.metrics->route(self->plan_.kind).connections;
  connections.Increment();
  environment.owner->OnSessionReady(self->id_);

  co_await self->SendAll(connection);

  co_await connection.client->Quit();
  self->stream_ = nullptr;
  if (connection.client->end() && connection.client->end()->cause == Cause::kQuit) {
    co_await connection.stream->CloseGracefully();
  } else {
    connection.stream->Close();
  }
  connections.Decrement();
  environment.owner->OnSessionEnded(self->id_, self->failure_);
}

asio::awaitable<void> Session::SendAll(Connection& connection) {
  while (connection.client->can_send() && messages_ < environment_.options.messages_max) {
    // No wake is missed: it is posted to this thread, so it comes after the wait has begun.
    is_woken_ = false;
    WorkPtr work = environment_.owner->Take(id_);
    if (work == nullptr) {
      const bool goes_on = co_await WaitForWork();
      if (!goes_on) co_return;
      continue;
    }
    co_await Deliver(connection, std::move(work));
  }
}

asio::awaitable<bool> Session::WaitForWork() {
  if (!is_woken_ && !is_aborted_ && !environment_.owner->is_draining()) {
    timer_.expires_after(absl::ToChronoNanoseconds(environment_.options.idle_timeout));
    co_await timer_.async_wait(net::kAwait);
  }
  // Woken or not, the dispatcher knows: it may have handed us work just now.
  const bool may_end = environment_.owner->EndIdle(id_);
  co_return !may_end;
}

asio::awaitable<void> Session::Deliver(Connection& connection, WorkPtr work) {
  const absl::Time begin = environment_.clock->Now();
  if (messages_++ > 0) {
    environment_.metrics->route(plan_.kind).connections_reused->Increment();
  }
  AttemptReport report;
  bool is_damaged = false;
  if (IsInline(*work)) {
    report.attempt.outcomes = co_await SendInline(connection, work);
  } else {
    report.attempt.outcomes = co_await SendLarge(connection, work, &is_damaged);
  }
  if (!is_damaged && TryElsewhere(connection, work, report.attempt.outcomes)) co_return;

  const bool is_from_peer =
      std::any_of(report.attempt.outcomes.begin(), report.attempt.outcomes.end(),
                  [](const smtp::RecipientOutcome& outcome) { return outcome.is_from_peer; });
  if (is_from_peer && answered_++ == 0) environment_.connector->ReportSuccess(connection.hop);
  const smtp::ClientEngine& engine = connection.client->engine();
  report.attempt.host = connection.host;
  report.attempt.peer_notifies = engine.capabilities().dsn;
  report.attempt.is_lmtp = plan_.is_lmtp;
  report.attempt.is_damaged = is_damaged;
  report.route = plan_.kind;
  report.connection_time = messages_ == 1 ? connection_time_ : absl::ZeroDuration();
  report.transmission_time = environment_.clock->Now() - begin;
  report.tls = connection.stream->tls_facts().protocol;
  environment_.owner->OnAttempt(work, std::move(report));
}

asio::awaitable<std::vector<smtp::RecipientOutcome>> Session::SendInline(Connection& connection,
                                                                         const WorkPtr& work) {
  const spool::v1::LeasedDelivery& delivery = work->delivery;
  smtp::HeaderFacts facts = spooled::AssumeFacts(delivery.envelope());
  if (NeedsScan(delivery.envelope(), connection.client->engine().capabilities())) {
    smtp::HeaderScan scan;
    scan.Feed(delivery.inline_content());
    facts = scan.facts();
  }
  absl::StatusOr<smtp::OutgoingMessage> message = spooled::MakeOutgoingMessage(delivery, facts);
  if (!message.ok()) {
    co_return AllRecipients(*work, smtp::Disposition::kPermanentFailure, kBadEnvelope);
  }
  net::SmtpTransaction transaction;
  transaction.message = *std::move(message);
  transaction.content = delivery.inline_content();
  std::vector<smtp::RecipientOutcome> outcomes =
      co_await connection.client->Send(std::move(transaction));
  const std::optional<net::SmtpSessionEnd>& end = connection.client->end();
  if (end && end->cause == Cause::kUnsendableContent && IsUndecided(outcomes)) {
    co_return AllRecipients(*work, smtp::Disposition::kPermanentFailure, kUnsendableContent);
  }
  co_return outcomes;
}

asio::awaitable<std::vector<smtp::RecipientOutcome>> Session::SendLarge(Connection& connection,
                                                                        const WorkPtr& work,
                                                                        bool* is_damaged) {
  const spool::v1::LeasedDelivery& delivery = work->delivery;
  const auto bytes = static_cast<size_t>(delivery.content_bytes());
  smtp::HeaderFacts facts = spooled::AssumeFacts(delivery.envelope());
  absl::Status read;
  if (NeedsScan(delivery.envelope(), connection.client->engine().capabilities())) {
    spool::SpooledContent content(*environment_.spool, delivery.message_id(), bytes);
    smtp::HeaderScan scan;
    while (true) {
      const absl::StatusOr<net::ContentPiece> piece = co_await content.Next();
      if (!piece.ok()) break;
      scan.Feed(piece->bytes);
      if (piece->is_last) break;
    }
    read = content.status();
    facts = scan.facts();
  }
  absl::StatusOr<smtp::OutgoingMessage> message = spooled::MakeOutgoingMessage(delivery, facts);
  if (!message.ok()) {
    co_return AllRecipients(*work, smtp::Disposition::kPermanentFailure, kBadEnvelope);
  }
  std::vector<smtp::RecipientOutcome> outcomes;
  if (read.ok()) {
    spool::SpooledContent content(*environment_.spool, delivery.message_id(), bytes);
    net::SmtpTransaction transaction;
    transaction.message = *std::move(message);
    transaction.rest = &content;
    outcomes = co_await connection.client->Send(std::move(transaction));
    read = content.status();
  }
  if (!read.ok()) {
    *is_damaged = absl::IsDataLoss(read) || absl::IsNotFound(read);
    co_return AllRecipients(*work, smtp::Disposition::kTransientFailure,
                            *is_damaged ? kContentDamaged : kContentUnreadable);
  }
  const std::optional<net::SmtpSessionEnd>& end = connection.client->end();
  if (end && end->cause == Cause::kUnsendableContent && IsUndecided(outcomes)) {
    co_return AllRecipients(*work, smtp::Disposition::kPermanentFailure, kUnsendableContent);
  }
  co_return outcomes;
}

bool Session::TryElsewhere(Connection& connection, const WorkPtr& work,
                           const std::vector<smtp::RecipientOutcome>& outcomes) {
  const std::optional<net::SmtpSessionEnd>& end = connection.client->end();
  if (!end || !IsUndecided(outcomes)) return false;
  if (answered_ == 0) {
    // Not a connection that had been idle for too long: the host does not do its work.
    environment_.connector->ReportFailure(connection.hop);
    failure_ = Failure{.reply = outcomes.front().reply,
                       .host = outcomes.front().is_from_peer ? connection.host : std::string(),
                       .is_from_peer = outcomes.front().is_from_peer};
  }
  if (is_aborted_ || work->failovers >= environment_.options.failovers_max) return false;
  ++work->failovers;
  environment_.owner->Requeue(id_, work);
  return true;
}

}  // namespace turnpike::delivery
