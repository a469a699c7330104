#include "services/outbound-delivery/transport/session.h"

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <exception>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/net/await_token.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/spooled/outgoing.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/spool-store/client/spooled_content.h"

namespace turnpike::delivery {
namespace {

using Cause = net::SmtpSessionEnd::Cause;

constexpr absl::Duration kSlotPatience = absl::Hours(1);  // it is waited on after that

// One outcome for all that are to be offered to this host.
std::vector<smtp::RecipientOutcome> AllRecipients(const Work& work, smtp::Disposition disposition,
                                                  const smtp::Reply& reply) {
  return std::vector<smtp::RecipientOutcome>(
      OpenRecipients(work.so_far, work.recipient_count()).size(),
      {.disposition = disposition, .stage = smtp::Stage::kLocal, .reply = reply});
}

// The message for this host: without the recipients whose fate other hosts have told (DL-32).
absl::StatusOr<smtp::OutgoingMessage> MessageFor(const Work& work, const RoutePlan& plan,
                                                 const smtp::HeaderFacts& facts) {
  absl::StatusOr<smtp::OutgoingMessage> message =
      spooled::MakeOutgoingMessage(work.delivery, facts);
  if (!message.ok()) return message;
  message->is_aborted_by_refused_recipient = plan.aborts_on_refused_recipient;  // DL-30
  if (!work.so_far.outcomes.empty()) {
    std::vector<smtp::OutgoingRecipient> open;
    for (const size_t i : OpenRecipients(work.so_far, work.recipient_count())) {
      open.push_back(std::move(message->recipients[i]));
    }
    message->recipients = std::move(open);
  }
  return message;
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

// `TLSv1.3 TLS_AES_256_GCM_SHA384 dane`, for the log; empty without TLS.
std::string TlsText(const Connection& connection) {
  const net::TlsFacts& facts = connection.stream->tls_facts();
  if (facts.protocol.empty()) return "";
  return absl::StrCat(facts.protocol, " ", facts.cipher, " ", connection.tls_policy,
                      facts.is_resumed ? " resumed" : "");
}

}  // namespace

Session::Session(SessionId id, RoutePlanPtr plan, std::string limit_key,
                 std::shared_ptr<const Environment> environment, asio::io_context& context)
    : id_(id),
      plan_(std::move(plan)),
      limit_key_(std::move(limit_key)),
      kept_environment_(std::move(environment)),
      environment_(*kept_environment_),
      context_(&context),
      timer_(context) {}

asio::io_context& Session::context() const {
  absl::MutexLock lock(&mu_);
  return *context_;
}

void Session::Spawn(asio::awaitable<void> coroutine) {
  asio::co_spawn(context(), std::move(coroutine),
                 [self = shared_from_this()](const std::exception_ptr& escaped) {
                   // Nothing of ours throws; after bad_alloc a restart is the way out, and loses no
                   // mail.
                   TURNPIKE_CHECK(escaped == nullptr);
                 });
}

void Session::Post(std::function<void()> step) {
  asio::io_context& here = context();
  asio::post(here, [self = shared_from_this(), &here, step = std::move(step)]() mutable {
    if (&self->context() == &here) {
      step();
    } else {
      self->Post(std::move(step));
    }
  });
}

void Session::MoveTo(asio::io_context& context) {
  timer_.emplace(context);
  absl::MutexLock lock(&mu_);
  context_ = &context;
}

void Session::Use(net::Stream* stream) {
  stream_ = stream;
  if (stream != nullptr && is_aborted_) stream->Close();
}

void Session::Start() {
  asio::post(context(), [self = shared_from_this()] { self->Spawn(Run(self)); });
}

void Session::Wake() {
  Post([this] {
    is_woken_ = true;
    timer_->cancel();
  });
}

void Session::Abort() {
  Post([this] {
    is_aborted_ = true;
    timer_->cancel();
    if (stream_ != nullptr) stream_->Close();
  });
}

asio::awaitable<bool> Session::TakeSlot(spool::Slots::Wish wish,
                                        std::unique_ptr<spool::Slot>* slot) {
  if (is_aborted_) co_return false;
  auto is_granted = std::make_shared<bool>(false);
  // It is called on any thread, perhaps late: the flag belongs to this one.
  auto on_granted = [weak = weak_from_this(), is_granted, &context = context()] {
    asio::post(context, [weak, is_granted] {
      *is_granted = true;
      if (const std::shared_ptr<Session> self = weak.lock()) self->timer_->cancel();
    });
  };
  *slot = environment_.slots->Take(std::move(wish), std::move(on_granted));
  while (!*is_granted && !is_aborted_) {
    timer_->expires_after(absl::ToChronoNanoseconds(kSlotPatience));
    co_await timer_->async_wait(net::kAwait);
  }
  co_return *is_granted;
}

asio::awaitable<void> Session::Run(std::shared_ptr<Session> self) {
  const Environment& environment = self->environment_;
  spool::Slots::Wish wish{.key = self->limit_key_,
                          .slots_max = static_cast<int32_t>(self->plan_->connections_max)};
  const bool has_slot = co_await self->TakeSlot(std::move(wish), &self->slot_);
  if (!has_slot) {
    self->slot_.reset();
    environment.owner->OnSessionFailed(self->id_, {.reply = kSlowDestination, .is_untried = true});
    co_return;
  }
  co_await Connect(self);
}

asio::awaitable<void> Session::Connect(std::shared_ptr<Session> self) {
  const Environment& environment = self->environment_;
  const absl::Time begin = environment.clock->Now();
  Connector::OnStream on_stream = [raw = self.get()](net::Stream* stream) { raw->Use(stream); };
  std::variant<Connection, Failure> opened =
      co_await environment.connector->Open(self->plan_, on_stream);
  if (const auto* failure = std::get_if<Failure>(&opened)) {
    self->slot_.reset();
    environment.owner->OnSessionFailed(self->id_, *failure);
    co_return;
  }
  self->connection_time_ = environment.clock->Now() - begin;
  Connection& connection = std::get<Connection>(opened);
  if (connection.context != nullptr) {
    self->MoveTo(*connection.context);
    self->Spawn(TakeOver(self, std::move(connection)));
    co_return;
  }
  connection.context = &self->context();
  co_await Serve(self, std::move(connection));
}

asio::awaitable<void> Session::TakeOver(std::shared_ptr<Session> self, Connection connection) {
  // Nothing has been asked: whatever there is to read is the end.
  std::array<char, 1> last_words;
  const absl::StatusOr<size_t> count =
      co_await connection.stream->Read(absl::MakeSpan(last_words), absl::InfinitePast());
  if (!absl::IsDeadlineExceeded(count.status())) {
    connection.stream->Close();
    co_await Connect(self);
    co_return;
  }
  co_await Serve(self, std::move(connection));
}

asio::awaitable<void> Session::Serve(std::shared_ptr<Session> self, Connection connection) {
  const Environment& environment = self->environment_;
  self->Use(connection.stream.get());
  prometheus::Gauge& connections = *environment.metrics->route(self->plan_->kind).connections;
  connections.Increment();
  environment.owner->OnSessionReady(self->id_);

  co_await self->SendAll(connection);

  if (connection.client != nullptr) {  // else another session has it
    co_await connection.client->Quit();
    self->Use(nullptr);
    if (connection.client->end() && connection.client->end()->cause == Cause::kQuit) {
      co_await connection.stream->CloseGracefully();
    } else {
      connection.stream->Close();
    }
  }
  connections.Decrement();
  self->slot_.reset();
  environment.owner->OnSessionEnded(self->id_, self->failure_);
}

asio::awaitable<void> Session::SendAll(Connection& connection) {
  while (connection.client->can_send() &&
         connection.messages < plan_->messages_per_connection_max) {
    if (plan_->messages_per_minute_max > 0 && !may_send_one_) {
      spool::Slots::Wish wish{.key = absl::StrCat(limit_key_, "|messages"),
                              .per_minute_max = plan_->messages_per_minute_max};
      std::unique_ptr<spool::Slot> turn;  // counts when it is granted; nothing is to be held
      may_send_one_ = co_await TakeSlot(std::move(wish), &turn);
      if (!may_send_one_) co_return;
    }
    // No wake is missed: it is posted to this thread, so it comes after the wait has begun.
    is_woken_ = false;
    WorkPtr work = environment_.owner->Take(id_);
    if (work == nullptr) {
      const bool goes_on = co_await WaitForWork(connection);
      if (!goes_on) co_return;
      continue;
    }
    may_send_one_ = false;
    co_await Deliver(connection, std::move(work));
  }
}

asio::awaitable<bool> Session::WaitForWork(Connection& connection) {
  if (!is_woken_ && !is_aborted_ && !environment_.owner->has_ended(plan_->revision)) {
    const bool is_ours = co_await Idle(connection);
    if (!is_ours) {
      environment_.owner->EndIdle(id_);  // woken or not: without a connection it is over
      co_return false;
    }
  }
  // Woken or not, the dispatcher knows: it may have handed us work just now.
  const bool may_end = environment_.owner->EndIdle(id_);
  co_return !may_end;
}

asio::awaitable<bool> Session::Idle(Connection& connection) {
  Use(nullptr);
  auto on_taken = [weak = weak_from_this()] {
    if (const std::shared_ptr<Session> self = weak.lock()) self->Wake();
  };
  const std::unique_ptr<IdleConnections::Offer> offer =
      environment_.connector->idle().Add(std::move(connection), std::move(on_taken));
  timer_->expires_after(absl::ToChronoNanoseconds(environment_.options.idle_timeout));
  co_await timer_->async_wait(net::kAwait);
  std::optional<Connection> back = std::move(*offer).Withdraw();
  if (!back) co_return false;
  connection = *std::move(back);
  Use(connection.stream.get());
  co_return true;
}

asio::awaitable<void> Session::Deliver(Connection& connection, WorkPtr work) {
  const absl::Time begin = environment_.clock->Now();
  if (connection.messages++ > 0) {
    environment_.metrics->route(plan_->kind).connections_reused->Increment();
  }
  std::vector<smtp::RecipientOutcome> outcomes;
  bool is_damaged = false;
  if (IsInline(*work)) {
    outcomes = co_await SendInline(connection, work);
  } else {
    outcomes = co_await SendLarge(connection, work, &is_damaged);
  }
  CountThrottling(connection, outcomes);
  if (!is_damaged && TryElsewhere(connection, work, outcomes)) co_return;

  const bool is_from_peer =
      std::any_of(outcomes.begin(), outcomes.end(),
                  [](const smtp::RecipientOutcome& outcome) { return outcome.is_from_peer; });
  if (is_from_peer && connection.answered++ == 0)
    environment_.connector->ReportSuccess(connection.hop);
  AttemptReport report;
  report.attempt = work->so_far;
  Merge(OpenRecipients(work->so_far, work->recipient_count()), outcomes,
        {.host = connection.host, .notifies = connection.client->engine().capabilities().dsn},
        work->recipient_count(), &report.attempt);
  report.attempt.is_lmtp = plan_->is_lmtp;
  report.attempt.is_damaged = is_damaged;
  report.plan = plan_;
  report.host_name = connection.hop.host;
  report.connection_time = connection.messages == 1 ? connection_time_ : absl::ZeroDuration();
  report.transmission_time = environment_.clock->Now() - begin;
  report.tls = TlsText(connection);
  environment_.owner->OnAttempt(work, std::move(report));
}

void Session::CountThrottling(Connection& connection,
                              const std::vector<smtp::RecipientOutcome>& outcomes) {
  const std::optional<net::SmtpSessionEnd>& end = connection.client->end();
  bool is_throttled = end && (end->cause == Cause::kServiceClosing ||
                              end->cause == Cause::kDisconnected || end->cause == Cause::kTimeout);
  for (const smtp::RecipientOutcome& outcome : outcomes) {
    // A 4xx for one recipient is about that recipient (a greylist, a full mailbox).
    is_throttled = is_throttled || (outcome.is_from_peer && outcome.reply.is_transient() &&
                                    outcome.stage != smtp::Stage::kRecipient);
  }
  if (!is_throttled) return;
  environment_.metrics->throttled->Increment();
  environment_.owner->OnThrottled(id_);
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
  absl::StatusOr<smtp::OutgoingMessage> message = MessageFor(*work, *plan_, facts);
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
    spool::SpooledContent content(*environment_.spool, delivery.token().delivery_id(),
                                  delivery.message_id(), bytes);
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
  absl::StatusOr<smtp::OutgoingMessage> message = MessageFor(*work, *plan_, facts);
  if (!message.ok()) {
    co_return AllRecipients(*work, smtp::Disposition::kPermanentFailure, kBadEnvelope);
  }
  std::vector<smtp::RecipientOutcome> outcomes;
  if (read.ok()) {
    spool::SpooledContent content(*environment_.spool, delivery.token().delivery_id(),
                                  delivery.message_id(), bytes);
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
  if (connection.answered == 0) {
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
