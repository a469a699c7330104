#include "services/smtp-frontend/session/turn.h"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/check.h"
#include "services/common/base/message_id.h"
#include "services/common/net/await.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/spooled/outgoing.h"
#include "services/common/spooled/queue_text.h"
#include "services/smtp-frontend/session/turn_settlement.h"
#include "services/spool-store/client/spooled_content.h"

namespace turnpike::frontend {
namespace {

using dequeue::v1::AtrnEnding;

// Deliveries that wait here while one is sent, so that the peer never waits for the spool; and how
// many are asked for at a time.
constexpr int32_t kCredit = 8;
constexpr int32_t kCreditStep = 4;
// Outcomes on their way to the spool, of messages that were refused before their end of data.
constexpr size_t kRecordsMax = 4;
constexpr absl::Duration kLeaseDuration = absl::Minutes(5);
constexpr std::chrono::seconds kRenewInterval(100);
constexpr absl::Duration kReportInterval = absl::Seconds(1);

net::SmtpClientOptions ClientOptions(const ListenerProfile& listener, bool allow_chunking) {
  const absl::Duration idle = listener.timeouts.idle;
  net::SmtpClientOptions options;
  options.engine.host_name = listener.options.host_name;
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

// A message that the peer is offered, until its outcome is known.
struct Turn::Offer {
  spool::v1::LeasedDelivery delivery;
  std::unique_ptr<spool::SpooledContent> rest;  // null: the content came with the delivery
  std::string first_piece;
  absl::string_view content;  // or its first piece
};

// The lease stream of the queue in progress, and what keeps its leases alive.
struct Turn::Leases : std::enable_shared_from_this<Leases> {
  explicit Leases(const asio::any_io_executor& executor) : timer(executor) {}

  void ScheduleRenewal() {
    timer.expires_after(kRenewInterval);
    timer.async_wait([weak = weak_from_this()](const asio::error_code& error) {
      const std::shared_ptr<Leases> self = weak.lock();
      if (error || self == nullptr) return;
      for (const auto& offer : self->offers) self->stream->Renew(offer->delivery.token());
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
  int32_t taken = 0;  // since credit was given
  // At most two: one whose end of data is sent, and one behind it.
  std::deque<std::shared_ptr<const Offer>> offers;
  // Not to be offered in this session: kept leased until its end, lest they come again at once.
  std::vector<spool::v1::LeaseToken> set_aside;
};

Turn::Turn(const SessionEnvironment& environment, const ListenerProfile& listener,
           net::Stream& stream, Options options, dequeue::AtrnSession& session,
           std::shared_ptr<AtrnWatch> watch)
    : environment_(environment),
      listener_(listener),
      stream_(stream),
      options_(std::move(options)),
      session_(session),
      watch_(std::move(watch)),
      client_(stream_, ClientOptions(listener, options_.grant.allow_chunking())),
      records_(environment, listener.timeouts.store, options_.session_id) {}

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
  co_await client_.Finish();
  // The last settlements need their leases; the others end with the stream.
  const absl::Status recorded = co_await records_.AwaitAll();
  leases_.reset();
  if (!recorded.ok()) {
    detail_ = std::string(recorded.message());
    ending = dequeue::v1::ATRN_ENDING_STORE_AWAY;
  } else if (!ending.has_value() && client_.end().has_value()) {
    ending = EndingOfClient();
  }
  co_return ending;
}

asio::awaitable<std::optional<AtrnEnding>> Turn::SendLeased(
    const dequeue::v1::GrantedQueue& granted) {
  while (true) {
    LeaseFeed::Next next;
    if (std::optional<spool::v1::LeasedDelivery> waiting = leases_->feed->TakeWaiting()) {
      next = *std::move(waiting);
    } else {
      // Nothing to send behind the message whose answer is due. When that has come, more may be
      // here, or a reason to stop.
      co_await client_.Finish();
      if (client_.end().has_value()) co_return EndingOfClient();
      next = co_await NextDelivery();
    }
    if (std::holds_alternative<LeaseFeed::Drained>(next)) {
      const std::vector<uint32_t> lost = leases_->feed->LostShards();
      if (lost.empty()) co_return std::nullopt;
      detail_ = absl::StrCat("what the spool's shard ", absl::StrJoin(lost, ", "),
                             " keeps could not be sent: it does not answer");
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
    if (std::holds_alternative<LeaseFeed::Stopped>(next)) {
      const bool is_drain = watch_->cause() == AtrnWatch::Cause::kDrain;
      detail_ = is_drain ? "shutting down" : "the grant was taken back";
      co_return dequeue::v1::ATRN_ENDING_DRAINED;
    }
    if (const auto* closed = std::get_if<LeaseFeed::Closed>(&next)) {
      detail_ = closed->status.ToString();
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
    auto& delivery = std::get<spool::v1::LeasedDelivery>(next);
    if (++leases_->taken == kCreditStep) {
      leases_->taken = 0;
      leases_->feed->ExpectMore();
      leases_->stream->AddCredit(kCreditStep);
    }
    const bool is_new = tried_.insert(delivery.token().delivery_id()).second;
    if (!is_new || !IsGranted(delivery, granted)) {
      leases_->set_aside.push_back(delivery.token());
      continue;
    }
    ++message_count_;
    const std::optional<AtrnEnding> ending = co_await Deliver(std::move(delivery));
    if (ending.has_value()) co_return ending;
    Report();
  }
}

asio::awaitable<absl::StatusOr<int64_t>> Turn::CountMessages(const spool::v1::QueueName& queue) {
  using Response = absl::StatusOr<spool::v1::GetQueueResponse>;
  spool::v1::GetQueueRequest request;
  *request.mutable_queue() = queue;
  const absl::Time deadline = absl::Now() + listener_.timeouts.store;
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

asio::awaitable<std::optional<AtrnEnding>> Turn::Deliver(spool::v1::LeasedDelivery delivery) {
  auto offer = std::make_shared<Offer>();
  offer->delivery = std::move(delivery);
  const spool::v1::LeaseToken& token = offer->delivery.token();
  offer->content = offer->delivery.inline_content();
  if (offer->content.empty()) {
    co_await client_.Flush();  // the message ahead does not wait for the store
    offer->rest = std::make_unique<spool::SpooledContent>(
        *environment_.spool, token.delivery_id(), offer->delivery.message_id(),
        static_cast<size_t>(offer->delivery.content_bytes()));
    const absl::StatusOr<net::ContentPiece> piece = co_await offer->rest->Next();
    if (!piece.ok()) {
      detail_ = piece.status().ToString();
      TURNPIKE_LOG(kError, "content not readable",
                   {{"session", options_.session_id},
                    {"delivery", token.delivery_id()},
                    {"error", detail_}});
      const bool is_of_this_message =
          absl::IsNotFound(piece.status()) || absl::IsDataLoss(piece.status());
      leases_->set_aside.push_back(token);
      if (is_of_this_message) co_return std::nullopt;
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
    offer->first_piece = std::string(piece->bytes);
    offer->content = offer->first_piece;
  }
  smtp::HeaderScan scan;
  scan.Feed(offer->content);
  smtp::HeaderFacts facts = scan.facts();
  if (offer->rest != nullptr) {
    facts.body_has_8bit = spooled::AssumeFacts(offer->delivery.envelope()).body_has_8bit;
  }
  absl::StatusOr<smtp::OutgoingMessage> message =
      spooled::MakeOutgoingMessage(offer->delivery, facts);
  if (!message.ok()) {
    TURNPIKE_LOG(kError, "envelope not understood",
                 {{"session", options_.session_id},
                  {"delivery", token.delivery_id()},
                  {"error", message.status().ToString()}});
    leases_->set_aside.push_back(token);
    co_return std::nullopt;
  }
  net::SmtpTransaction transaction{
      .message = *std::move(message), .content = offer->content, .rest = offer->rest.get()};
  // The message before this one is on record before this one can become the peer's. (DQ-34)
  transaction.before_end_of_data = [this, offer] { return MayEndData(offer); };
  net::SmtpClient::OnOutcomes on_outcomes = [this,
                                             offer](std::vector<smtp::RecipientOutcome> outcomes) {
    OnOutcomes(*offer, std::move(outcomes));
  };
  leases_->offers.push_back(offer);
  co_await client_.Begin(std::move(transaction), std::move(on_outcomes));
  if (client_.end().has_value()) co_return EndingOfClient();
  // Those that are refused before their end of data wait for nothing else.
  if (records_.size() >= kRecordsMax) {
    co_await client_.Flush();
    const absl::Status recorded = co_await records_.AwaitAll();
    if (!recorded.ok()) {
      detail_ = std::string(recorded.message());
      co_return dequeue::v1::ATRN_ENDING_STORE_AWAY;
    }
  }
  co_return std::nullopt;
}

asio::awaitable<absl::Status> Turn::MayEndData(std::shared_ptr<const Offer> offer) {
  // The answer to the message ahead has come before any to this one.
  TURNPIKE_CHECK(leases_->offers.front() == offer);
  if (!leases_->feed->IsHeld(offer->delivery.token())) {
    detail_ = "the lease is lost";
    co_return absl::AbortedError(detail_);
  }
  const absl::Status recorded = co_await records_.AwaitAll();
  if (!recorded.ok()) detail_ = std::string(recorded.message());
  co_return recorded;
}

void Turn::OnOutcomes(const Offer& offer, std::vector<smtp::RecipientOutcome> outcomes) {
  TURNPIKE_CHECK(leases_->offers.front().get() == &offer);
  leases_->offers.pop_front();
  Record(offer.delivery, {.outcomes = std::move(outcomes),
                          .host = host_,
                          .peer_notifies = client_.engine().capabilities().dsn,
                          .content = offer.content,
                          .content_is_complete = offer.rest == nullptr});
}

void Turn::Record(const spool::v1::LeasedDelivery& delivery, const TurnAttempt& attempt) {
  const absl::Time now = absl::Now();
  TurnSettlement result = SettleTurn(delivery, attempt,
                                     {.now = now,
                                      .host_name = listener_.options.host_name,
                                      .classes = listener_.domain_classes.get(),
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
                {"queue", spool::QueueText(delivery.queue())},
                {"result", outcome},
                {"delivered", result.delivered},
                {"kept", result.kept},
                {"returned", result.returned},
                {"reply", attempt.outcomes.empty() ? "" : attempt.outcomes[0].reply.ToString()}});
  if (!result.is_worth_recording()) return leases_->stream->HandBack(delivery.token());
  records_.Add(std::move(result.settlement));
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
