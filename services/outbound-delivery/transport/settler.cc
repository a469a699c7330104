#include "services/outbound-delivery/transport/settler.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/common/base/message_id.h"
#include "services/common/base/random.h"
#include "services/common/observe/log.h"
#include "services/common/spooled/queue_text.h"

namespace turnpike::delivery {
namespace {

constexpr int kTriesMax = 5;  // after FAILED, or a lease that turned out to be an older one of ours

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string MessageIdText(const std::string& bytes) {
  const absl::StatusOr<base::MessageId> id = base::MessageId::FromBytes(bytes);
  return id.ok() ? id->ToString() : std::string();
}

}  // namespace

struct Settler::Head {
  WorkPtr work;
  AttemptReport report;
  std::shared_ptr<const Options> options;  // which `context` is of
  SettleContext context;
  std::string bytes;
  size_t bytes_max = 0;
  std::unique_ptr<spool::ContentReader> reader;  // while there is more to read
};

Settler::Settler(std::shared_ptr<const Options> options, spool::Spool& spool, Metrics& metrics,
                 const base::Clock& clock, TokenOf token_of, OnDone on_done)
    : spool_(spool),
      metrics_(metrics),
      clock_(clock),
      token_of_(std::move(token_of)),
      on_done_(std::move(on_done)),
      options_(std::move(options)) {}

void Settler::SetOptions(std::shared_ptr<const Options> options) {
  absl::MutexLock lock(&mu_);
  options_ = std::move(options);
}

std::shared_ptr<const Settler::Options> Settler::options() const {
  absl::MutexLock lock(&mu_);
  return options_;
}

void Settler::Settle(WorkPtr work, AttemptReport report) {
  std::shared_ptr<const Options> options = this->options();
  SettleContext context;
  context.now = clock_.Now();
  context.host_name = options->host_name;
  context.retry = work->retry.get();
  if (report.plan->kind != RoutePlan::Kind::kLocal) context.round = options->round;
  context.classes = options->classes.get();
  context.jitter_unit = base::RandomUnit();
  context.make_id = [now = context.now] { return base::MessageId::Generate(now); };

  const spool::v1::LeasedDelivery& delivery = work->delivery;
  const bool is_inline =
      static_cast<int64_t>(delivery.inline_content().size()) == delivery.content_bytes();
  if (!is_inline && !report.attempt.is_damaged && MayNotify(delivery, report.attempt, context)) {
    ReadHead(std::move(work), std::move(report), std::move(options), std::move(context));
    return;
  }
  const ContentHead content{.bytes = delivery.inline_content(), .is_complete = is_inline};
  Record(work, report, content, context);
}

void Settler::ReadHead(WorkPtr work, AttemptReport report, std::shared_ptr<const Options> options,
                       SettleContext context) {
  auto head = std::make_shared<Head>();
  head->work = std::move(work);
  head->report = std::move(report);
  head->options = std::move(options);
  head->context = std::move(context);
  const spool::v1::LeasedDelivery& delivery = head->work->delivery;
  const bool wants_all = delivery.envelope().dsn_return() == mail::v1::DSN_RETURN_FULL &&
                         delivery.content_bytes() <= static_cast<int64_t>(dsn::kReturnedBytesMax);
  head->bytes_max = wants_all ? dsn::kReturnedBytesMax : dsn::kReturnedHeaderBytesMax;
  head->reader = spool_.ReadContent(delivery.token().delivery_id(), delivery.message_id());
  ReadOn(head);
}

void Settler::ReadOn(const std::shared_ptr<Head>& head) {
  head->reader->Next([this, head](const absl::StatusOr<std::string>& piece) {
    if (piece.ok() && !piece->empty()) {
      absl::StrAppend(&head->bytes,
                      absl::string_view(*piece).substr(0, head->bytes_max - head->bytes.size()));
      if (head->bytes.size() < head->bytes_max) return ReadOn(head);
    }
    head->reader = nullptr;
    // What could not be read is not returned; the notification says all the rest.
    const bool is_complete =
        static_cast<int64_t>(head->bytes.size()) == head->work->delivery.content_bytes();
    Record(head->work, head->report, {.bytes = head->bytes, .is_complete = is_complete},
           head->context);
  });
}

void Settler::Record(const WorkPtr& work, const AttemptReport& report, const ContentHead& content,
                     const SettleContext& context) {
  const SettlementPlan plan = PlanSettlement(work->delivery, report.attempt, content, context);
  Count(*work, report, plan, context.now);
  Log(*work, report, plan, context.now);
  Send(work, plan.settlement, 1);
}

void Settler::Send(const WorkPtr& work, const spool::v1::Settlement& settlement, int tries) {
  auto kept = std::make_shared<spool::v1::Settlement>(settlement);
  *kept->mutable_token() = token_of_(*work);
  spool::v1::Settlement sent = *kept;
  spool_.Settle(std::move(sent), clock_.Now() + options()->record_time_max,
                [this, work, kept, tries](const absl::StatusOr<spool::v1::SettleOutcome>& outcome) {
                  OnRecorded(work, kept, tries, outcome);
                });
}

void Settler::OnRecorded(const WorkPtr& work,
                         const std::shared_ptr<spool::v1::Settlement>& settlement, int tries,
                         const absl::StatusOr<spool::v1::SettleOutcome>& outcome) {
  bool is_retried = false;
  absl::string_view problem;
  if (!outcome.ok()) {
    problem = outcome.status().message();
  } else {
    switch (*outcome) {
      case spool::v1::SETTLE_OUTCOME_SETTLED:
      case spool::v1::SETTLE_OUTCOME_GONE:
        break;
      case spool::v1::SETTLE_OUTCOME_LOST:
        // Our own later lease of the same delivery, after the stream had broken: settle by that.
        is_retried = token_of_(*work).fence() != settlement->token().fence();
        problem = "another worker leases it";
        break;
      case spool::v1::SETTLE_OUTCOME_FAILED:
        is_retried = true;
        problem = "the store failed";
        break;
      default:
        problem = "the store refused the settlement";
        break;
    }
  }
  if (is_retried && tries < kTriesMax) {
    Send(work, *settlement, tries + 1);
    return;
  }
  if (!problem.empty()) {
    metrics_.settlements_lost->Increment();
    TURNPIKE_LOG(kError, "outcome not recorded; the mail may go out twice",
                 {{"message", MessageIdText(work->delivery.message_id())},
                  {"delivery", work->id()},
                  {"problem", problem}});
  }
  on_done_(work, settlement->token());
}

void Settler::Count(const Work& work, const AttemptReport& report, const SettlementPlan& plan,
                    absl::Time now) {
  const Metrics::Route& route = metrics_.route(report.plan->kind);
  const Metrics::Result result = plan.returned > 0  ? Metrics::Result::kBounced
                                 : plan.delayed > 0 ? Metrics::Result::kDeferred
                                                    : Metrics::Result::kDelivered;
  route.attempts[static_cast<size_t>(result)]->Increment();
  route.attempt_duration->Observe(absl::ToDoubleSeconds(now - work.leased_time));
  const absl::Time received = FromProto(work.delivery.received_time());
  if (plan.delivered > 0) {
    route.age->Observe(absl::ToDoubleSeconds(now - received));
    metrics_.stage_spool->Observe(absl::ToDoubleSeconds(work.leased_time - received));
    metrics_.stage_connection->Observe(absl::ToDoubleSeconds(report.connection_time));
    metrics_.stage_transmission->Observe(absl::ToDoubleSeconds(report.transmission_time));
  }
  for (const smtp::RecipientOutcome& outcome : report.attempt.outcomes) {
    if (outcome.is_from_peer) metrics_.CountReply(outcome.stage, outcome.reply.code());
    if (outcome.disposition == smtp::Disposition::kDelivered) continue;
    const bool is_expired = plan.retry.action == RetryDecision::Action::kReturn &&
                            outcome.disposition != smtp::Disposition::kPermanentFailure;
    const FailureReason reason = is_expired ? FailureReason::kExpired : FailureReasonOf(outcome);
    route.failures[static_cast<size_t>(reason)]->Increment();
  }
  for (size_t kind = 0; kind < plan.notifications_queued.size(); ++kind) {
    if (plan.notifications_queued[kind] > 0) metrics_.notifications_queued[kind]->Increment();
    if (plan.notifications_suppressed[kind] > 0) {
      metrics_.notifications_suppressed[kind]->Increment();
    }
  }
}

void Settler::Log(const Work& work, const AttemptReport& report, const SettlementPlan& plan,
                  absl::Time now) {
  if (!observe::IsLogged(observe::LogLevel::kInfo)) return;
  const spool::v1::LeasedDelivery& delivery = work.delivery;
  // One line an attempt: of several recipients the one that fared worst speaks.
  size_t spokesman = 0;
  const auto rank = [&](size_t i) {
    return static_cast<int>(report.attempt.outcomes[i].disposition);
  };
  for (size_t i = 1; i < report.attempt.outcomes.size(); ++i) {
    if (rank(i) > rank(spokesman)) spokesman = i;
  }
  const smtp::RecipientOutcome& outcome = report.attempt.outcomes[spokesman];
  const absl::string_view result = plan.returned > 0  ? "returned"
                                   : plan.delayed > 0 ? "deferred"
                                                      : "delivered";
  const std::string next = plan.delayed > 0 && plan.settlement.has_defer_until()
                               ? absl::FormatTime(plan.retry.next_attempt_time, absl::UTCTimeZone())
                               : std::string();
  const absl::Time received = FromProto(delivery.received_time());
  observe::WriteLog(
      observe::LogLevel::kInfo, "delivery attempt",
      {{"result", result},
       {"message", MessageIdText(delivery.message_id())},
       {"delivery", work.id()},
       {"queue", spool::QueueText(delivery.queue())},
       {"route", RouteKindName(report.plan->kind)},
       {"to", observe::LogAddress(delivery.recipients(static_cast<int>(spokesman)).address())},
       {"recipients", delivery.recipients_size()},
       {"delivered", plan.delivered},
       {"returned", plan.returned},
       {"host", report.attempt.peers[spokesman].host},
       {"code", static_cast<int>(outcome.reply.code())},
       {"reply", outcome.reply.ToString()},
       {"tls", report.tls},
       {"attempt", delivery.attempts() + 1},
       {"next_attempt", next},
       {"delay_spool", absl::ToDoubleSeconds(work.leased_time - received)},
       {"delay_connection", absl::ToDoubleSeconds(report.connection_time)},
       {"delay_transmission", absl::ToDoubleSeconds(report.transmission_time)},
       {"age", absl::ToDoubleSeconds(now - received)}});
}

}  // namespace turnpike::delivery
