#include "services/smtp-frontend/session/turn.h"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/message_id.h"
#include "services/common/net/await.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/spooled/outgoing.h"
#include "services/smtp-frontend/session/turn_settlement.h"
#include "services/spool-store/client/spooled_content.h"

namespace turnpike::frontend {
namespace {

using dequeue::v1::AtrnEnding;

// Deliveries that wait here while one is sent, so that the peer never waits for the spool.
constexpr int32_t kCredit = 4;
constexpr absl::Duration kLeaseDuration = absl::Minutes(5);
constexpr std::chrono::seconds kRenewInterval(100);
constexpr absl::Duration kReportInterval = absl::Seconds(1);
constexpr int kSettleTries = 3;

net::SmtpClientOptions ClientOptions(const SessionEnvironment& environment, bool allow_chunking) {
  const absl::Duration idle = environment.timeouts.idle;
  net::SmtpClientOptions options;
  options.engine.host_name = environment.host_name;
  options.engine.is_reversed = true;  // no STARTTLS: what is in force stays
  // A client that passes lines on to a server behind it hangs in a chunk without a last CRLF.
  options.engine.use_chunking = allow_chunking;
  options.timeouts = {
      .greeting = idle, .command = idle, .data_block = idle, .end_of_data = 2 * idle};
  return options;
}

// The name by which the peer has greeted, reduced to what names are made of.
std::string GreetedName(const smtp::Reply& greeting) {
  const absl::string_view text = greeting.text();
  std::string name(text.substr(0, text.find_first_of(" \n")));
  std::erase_if(name, [](char c) { return !absl::ascii_isalnum(c) && c != '.' && c != '-'; });
  return name.empty() ? "unknown" : name;
}

absl::string_view EndingName(AtrnEnding ending) {
  switch (ending) {
    case dequeue::v1::ATRN_ENDING_COMPLETED:
      return "completed";
    case dequeue::v1::ATRN_ENDING_REFUSED:
      return "refused";
    case dequeue::v1::ATRN_ENDING_LOST:
      return "lost";
    case dequeue::v1::ATRN_ENDING_DRAINED:
      return "drained";
    case dequeue::v1::ATRN_ENDING_STORE_AWAY:
      return "store away";
    default:
      return "unknown";
  }
}

}  // namespace

// The lease stream of the queue in progress, and what keeps its leases alive.
struct Turn::Leases : std::enable_shared_from_this<Leases> {
  explicit Leases(const asio::any_io_executor& executor) : timer(executor) {}

  void ScheduleRenewal() {
    timer.expires_after(kRenewInterval);
    timer.async_wait([weak = weak_from_this()](const asio::error_code& error) {
      const std::shared_ptr<Leases> self = weak.lock();
      if (error || self == nullptr) return;
      if (self->current.has_value()) self->stream->Renew(*self->current);
      for (const spool::v1::LeaseToken& token : self->set_aside) self->stream->Renew(token);
      for (const spool::v1::LeaseToken& token : self->feed->WaitingTokens()) {
        self->stream->Renew(token);
      }
      self->ScheduleRenewal();
    });
  }

  const std::shared_ptr<LeaseFeed> feed = std::make_shared<LeaseFeed>();
  std::unique_ptr<spool::LeaseStream> stream;
  asio::steady_timer timer;
  std::optional<spool::v1::LeaseToken> current;  // of the message in progress
  // Not to be offered in this session: kept leased until its end, lest they come again at once.
  std::vector<spool::v1::LeaseToken> set_aside;
};

Turn::Turn(const SessionEnvironment& environment, net::Stream& stream, Options options,
           dequeue::AtrnSession& session, std::shared_ptr<AtrnWatch> watch)
    : environment_(environment),
      stream_(stream),
      options_(std::move(options)),
      session_(session),
      watch_(std::move(watch)),
      client_(stream_, ClientOptions(environment, options_.grant.allow_chunking())) {}

Turn::~Turn() { watch_->SetOnRevoked(nullptr); }

asio::awaitable<dequeue::v1::AtrnEnd> Turn::Run() {
  const absl::Time begin_time = absl::Now();
  environment_.metrics->CountAtrnBegin();
  dequeue::v1::AtrnEnd end;
  end.set_ending(co_await SendAll());
  if (client_.can_send()) co_await client_.Quit();
  *end.mutable_totals() = totals_;
  end.set_detail(detail_);
  session_.End(end);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin_time);
  environment_.metrics->CountAtrnEnd(seconds);
  TURNPIKE_LOG(kInfo, "atrn session ended",
               {{"session", options_.session_id},
                {"grant", options_.grant.grant()},
                {"peer", host_},
                {"end", EndingName(end.ending())},
                {"detail", detail_},
                {"delivered", totals_.delivered()},
                {"kept", totals_.kept()},
                {"returned", totals_.returned()},
                {"bytes", totals_.bytes()},
                {"seconds", seconds}});
  co_return end;
}

asio::awaitable<AtrnEnding> Turn::SendAll() {
  const std::optional<net::SmtpSessionEnd> refusal = co_await client_.Open();
  is_opening_ = false;
  host_ = absl::StrCat(GreetedName(client_.engine().greeting()), " [", options_.client_address,
                       "]:", stream_.remote_endpoint().port());
  if (refusal.has_value()) {
    // Nothing was leased: the mail does not know of it. (DQ-36)
    detail_ = refusal->reply.ToString();
    const bool was_closed_by_drain = watch_->cause() == AtrnWatch::Cause::kDrain;
    co_return was_closed_by_drain ? dequeue::v1::ATRN_ENDING_DRAINED
                                  : dequeue::v1::ATRN_ENDING_REFUSED;
  }
  for (const dequeue::v1::GrantedQueue& granted : options_.grant.queues()) {
    const std::optional<AtrnEnding> ending = co_await SendQueue(granted);
    if (ending.has_value()) co_return *ending;
  }
  co_return dequeue::v1::ATRN_ENDING_COMPLETED;
}

asio::awaitable<std::optional<AtrnEnding>> Turn::SendQueue(
    const dequeue::v1::GrantedQueue& granted) {
  const absl::StatusOr<int64_t> held = co_await CountMessages(granted.queue());
  if (!held.ok()) {
    detail_ = held.status().ToString();
    co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
  }
  // What is held now, and what arrives meanwhile up to a limit. (DQ-35)
  int64_t messages_max = *held + environment_.atrn_arrivals_max;
  if (options_.grant.messages_max() > 0) {
    messages_max = std::min(messages_max, options_.grant.messages_max() - message_count_);
    if (messages_max <= 0) co_return std::nullopt;
  }
  spool::v1::LeaseOpen open;
  open.set_worker(absl::StrCat("smtp-frontend/", options_.session_id));
  open.mutable_lease_duration()->set_seconds(absl::ToInt64Seconds(kLeaseDuration));
  spool::v1::QueueScope* scope = open.mutable_queue();
  *scope->mutable_queue() = granted.queue();
  *scope->mutable_recipient_domains() = granted.recipient_domains();
  scope->set_deliveries_max(static_cast<int32_t>(std::min<int64_t>(messages_max, INT32_MAX)));
  scope->set_grant(options_.grant.grant());

  leases_ = std::make_shared<Leases>(stream_.executor());
  leases_->stream = environment_.spool->OpenLease(std::move(open), leases_->feed);
  leases_->ScheduleRenewal();
  watch_->SetOnRevoked([feed = leases_->feed] { feed->Stop(); });
  leases_->stream->AddCredit(kCredit);
  std::optional<AtrnEnding> ending = co_await SendLeased(granted);
  // The last settlement needs its lease; the others end with the stream.
  const absl::Status settled = co_await AwaitSettled();
  leases_.reset();
  if (!settled.ok()) ending = dequeue::v1::ATRN_ENDING_STORE_AWAY;
  co_return ending;
}

asio::awaitable<std::optional<AtrnEnding>> Turn::SendLeased(
    const dequeue::v1::GrantedQueue& granted) {
  while (true) {
    LeaseFeed::Next next = co_await NextDelivery();
    if (std::holds_alternative<LeaseFeed::Drained>(next)) co_return std::nullopt;
    if (std::holds_alternative<LeaseFeed::Stopped>(next)) {
      const bool is_drain = watch_->cause() == AtrnWatch::Cause::kDrain;
      detail_ = is_drain ? "shutting down" : "the grant was taken back";
      co_return dequeue::v1::ATRN_ENDING_DRAINED;
    }
    if (const auto* closed = std::get_if<LeaseFeed::Closed>(&next)) {
      detail_ = closed->status.ToString();
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
    const auto& delivery = std::get<spool::v1::LeasedDelivery>(next);
    leases_->feed->ExpectMore();
    leases_->stream->AddCredit(1);
    const bool is_new = tried_.insert(delivery.token().delivery_id()).second;
    if (!is_new || !IsGranted(delivery, granted)) {
      leases_->set_aside.push_back(delivery.token());
      continue;
    }
    ++message_count_;
    leases_->current = delivery.token();
    const std::optional<AtrnEnding> ending = co_await Deliver(delivery);
    if (ending.has_value()) co_return ending;
    Report();
  }
}

asio::awaitable<absl::StatusOr<int64_t>> Turn::CountMessages(const spool::v1::QueueName& queue) {
  using Response = absl::StatusOr<spool::v1::GetQueueResponse>;
  spool::v1::GetQueueRequest request;
  *request.mutable_queue() = queue;
  const absl::Time deadline = absl::Now() + environment_.timeouts.store;
  net::StartOperation<Response> start = [this, &request,
                                         deadline](absl::AnyInvocable<void(Response)> done) {
    environment_.spool->GetQueue(std::move(request), deadline, std::move(done));
  };
  const Response response = co_await net::Await<Response>(std::move(start));
  if (!response.ok()) co_return response.status();
  const spool::v1::QueueStats& stats = response->stats();
  co_return stats.held() + stats.ready() + stats.deferred() + stats.leased();
}

asio::awaitable<LeaseFeed::Next> Turn::NextDelivery() {
  net::StartOperation<LeaseFeed::Next> start =
      [feed = leases_->feed](absl::AnyInvocable<void(LeaseFeed::Next)> done) {
        feed->WhenNext(std::move(done));
      };
  co_return co_await net::Await<LeaseFeed::Next>(std::move(start));
}

// The store has checked this; a mistake would hand one customer's mail to another.
bool Turn::IsGranted(const spool::v1::LeasedDelivery& delivery,
                     const dequeue::v1::GrantedQueue& granted) const {
  for (const mail::v1::Recipient& recipient : delivery.recipients()) {
    const std::string& address = recipient.address();
    const size_t at = address.rfind('@');
    const std::string domain =
        at == std::string::npos ? "" : absl::AsciiStrToLower(address.substr(at + 1));
    const auto& domains = granted.recipient_domains();
    if (std::find(domains.begin(), domains.end(), domain) == domains.end()) {
      TURNPIKE_LOG(kError, "leased mail is not granted",
                   {{"session", options_.session_id},
                    {"delivery", delivery.token().delivery_id()},
                    {"recipient", observe::LogAddress(address)}});
      return false;
    }
  }
  return true;
}

asio::awaitable<std::optional<AtrnEnding>> Turn::Deliver(
    const spool::v1::LeasedDelivery& delivery) {
  absl::string_view content = delivery.inline_content();
  std::unique_ptr<spool::SpooledContent> rest;
  std::string first_piece;
  if (content.empty()) {
    rest = std::make_unique<spool::SpooledContent>(*environment_.spool, delivery.message_id(),
                                                   static_cast<size_t>(delivery.content_bytes()));
    const absl::StatusOr<net::ContentPiece> piece = co_await rest->Next();
    if (!piece.ok()) {
      detail_ = piece.status().ToString();
      TURNPIKE_LOG(kError, "content not readable",
                   {{"session", options_.session_id},
                    {"delivery", delivery.token().delivery_id()},
                    {"error", detail_}});
      const bool is_of_this_message =
          absl::IsNotFound(piece.status()) || absl::IsDataLoss(piece.status());
      leases_->set_aside.push_back(delivery.token());
      if (is_of_this_message) co_return std::nullopt;
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
    first_piece = std::string(piece->bytes);
    content = first_piece;
  }
  smtp::HeaderScan scan;
  scan.Feed(content);
  smtp::HeaderFacts facts = scan.facts();
  if (rest != nullptr) {
    facts.body_has_8bit = spooled::AssumeFacts(delivery.envelope()).body_has_8bit;
  }
  absl::StatusOr<smtp::OutgoingMessage> message = spooled::MakeOutgoingMessage(delivery, facts);
  if (!message.ok()) {
    TURNPIKE_LOG(kError, "envelope not understood",
                 {{"session", options_.session_id},
                  {"delivery", delivery.token().delivery_id()},
                  {"error", message.status().ToString()}});
    leases_->set_aside.push_back(delivery.token());
    co_return std::nullopt;
  }
  net::SmtpTransaction transaction{
      .message = *std::move(message), .content = content, .rest = rest.get()};
  // The message before this one is on record before this one can become the peer's. (DQ-34)
  transaction.before_end_of_data = [this, token = delivery.token()] { return MayEndData(token); };
  TurnAttempt attempt;
  attempt.outcomes = co_await client_.Send(std::move(transaction));
  attempt.host = host_;
  attempt.peer_notifies = client_.engine().capabilities().dsn;
  attempt.content = content;
  attempt.content_is_complete = rest == nullptr;
  // One that was refused before its end of data has not waited for the one before it.
  const absl::Status settled = co_await AwaitSettled();
  Record(delivery, attempt);
  if (!settled.ok()) co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
  if (client_.end().has_value()) co_return EndingOfClient();
  co_return std::nullopt;
}

asio::awaitable<absl::Status> Turn::MayEndData(spool::v1::LeaseToken token) {
  if (!leases_->feed->IsHeld(token)) {
    detail_ = "the lease is lost";
    co_return absl::AbortedError(detail_);
  }
  co_return co_await AwaitSettled();
}

void Turn::Record(const spool::v1::LeasedDelivery& delivery, const TurnAttempt& attempt) {
  const absl::Time now = absl::Now();
  TurnSettlement result = SettleTurn(delivery, attempt,
                                     {.now = now,
                                      .host_name = environment_.host_name,
                                      .classes = environment_.domain_classes,
                                      .make_id = [now] { return base::MessageId::Generate(now); }});
  absl::string_view outcome = "deferred";
  if (result.unknown > 0) {
    outcome = "unknown";
  } else if (result.kept == 0) {
    outcome = result.delivered > 0 ? "delivered" : "rejected";
  }
  if (result.kept > 0) {
    totals_.set_kept(totals_.kept() + 1);
  } else if (result.delivered > 0) {
    totals_.set_delivered(totals_.delivered() + 1);
  } else {
    totals_.set_returned(totals_.returned() + 1);
  }
  if (result.delivered > 0) totals_.set_bytes(totals_.bytes() + delivery.content_bytes());
  environment_.metrics->CountDequeued(outcome, static_cast<size_t>(delivery.content_bytes()));
  const absl::StatusOr<base::MessageId> id = base::MessageId::FromBytes(delivery.message_id());
  TURNPIKE_LOG(kInfo, "message dequeued",
               {{"session", options_.session_id},
                {"message", id.ok() ? id->ToString() : ""},
                {"delivery", delivery.token().delivery_id()},
                {"queue", delivery.queue().name()},
                {"result", outcome},
                {"delivered", result.delivered},
                {"kept", result.kept},
                {"returned", result.returned},
                {"reply", attempt.outcomes.empty() ? "" : attempt.outcomes[0].reply.ToString()}});
  if (!result.is_worth_recording()) return leases_->stream->HandBack(delivery.token());
  settlement_ = std::move(result.settlement);
  StartSettle();
}

void Turn::StartSettle() {
  settled_ = std::make_shared<OneShot<SettleResult>>();
  environment_.spool->Settle(
      settlement_, absl::Now() + environment_.timeouts.store,
      [settled = settled_](SettleResult result) { settled->Set(std::move(result)); });
}

asio::awaitable<absl::Status> Turn::AwaitSettled() {
  for (int tries = 1; settled_ != nullptr; ++tries) {
    net::StartOperation<SettleResult> start =
        [settled = std::move(settled_)](absl::AnyInvocable<void(SettleResult)> done) {
          settled->WhenSet(std::move(done));
        };
    settled_ = nullptr;
    const SettleResult result = co_await net::Await<SettleResult>(std::move(start));
    const bool has_failed = result.ok() && *result == spool::v1::SETTLE_OUTCOME_FAILED;
    if (has_failed && tries < kSettleTries) {
      StartSettle();
      continue;
    }
    const bool is_settled = result.ok() && (*result == spool::v1::SETTLE_OUTCOME_SETTLED ||
                                            *result == spool::v1::SETTLE_OUTCOME_GONE);
    if (is_settled) co_return absl::OkStatus();
    detail_ = result.ok() ? absl::StrCat("not settled: ", *result) : result.status().ToString();
    TURNPIKE_LOG(kError, "outcome not recorded, the message may go out twice",
                 {{"session", options_.session_id},
                  {"delivery", settlement_.token().delivery_id()},
                  {"error", detail_}});
    // Somebody else has the lease: that is over, and no reason to stop here.
    if (result.ok() && *result == spool::v1::SETTLE_OUTCOME_LOST) co_return absl::OkStatus();
    co_return absl::UnavailableError(detail_);
  }
  co_return absl::OkStatus();
}

AtrnEnding Turn::EndingOfClient() const {
  // We end a session ourselves only when the store is not there to record what becomes of it.
  return client_.end()->cause == net::SmtpSessionEnd::Cause::kAborted
             ? dequeue::v1::ATRN_ENDING_STORE_AWAY
             : dequeue::v1::ATRN_ENDING_LOST;
}

void Turn::Report() {
  const absl::Time now = absl::Now();
  if (now - last_report_ < kReportInterval) return;
  last_report_ = now;
  session_.Report(totals_);
}

}  // namespace turnpike::frontend
