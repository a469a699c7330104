#include "services/outbound-delivery/core/settlement.h"

#include <optional>
#include <utility>

#include "google/protobuf/timestamp.pb.h"
#include "services/common/base/check.h"
#include "services/common/dsn/dsn.h"

namespace turnpike::delivery {
namespace {

constexpr size_t kReplyTextBytesMax = 2048;  // mail.v1.Reply.text

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t nanos = absl::ToUnixNanos(time);
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

RetryDecision DecideFor(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt,
                        const SettleContext& context) {
  RetryState state{.now = context.now, .delay_warned = delivery.delay_warned()};
  if (delivery.has_first_attempt_time()) {
    state.first_attempt_time = FromProto(delivery.first_attempt_time());
  }
  RetryDecision decision = DecideRetry(*context.retry, state, context.jitter_unit);
  if (decision.action == RetryDecision::Action::kRetry) {
    decision.next_attempt_time = RoundAtOrAfter(decision.next_attempt_time, context.round);
  }
  if (attempt.is_damaged) {
    decision.action = RetryDecision::Action::kPark;
    decision.warn = false;
  }
  return decision;
}

bool IsLeft(smtp::Disposition disposition) {
  return disposition == smtp::Disposition::kTransientFailure ||
         disposition == smtp::Disposition::kUnknown;
}

// Collects what is to be reported, by kind.
class Reports {
 public:
  Reports(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt)
      : delivery_(delivery), attempt_(attempt) {}

  void Add(dsn::Kind kind, int index, bool is_expired) {
    const smtp::RecipientOutcome& outcome = attempt_.outcomes[index];
    dsn::RecipientReport report;
    report.recipient = delivery_.recipients(index);
    report.reply = ToProto(outcome.reply);
    if (outcome.is_from_peer) report.host = attempt_.peers[index].host;
    report.is_expired = is_expired;
    by_kind_[static_cast<size_t>(kind)].push_back(std::move(report));
  }

  void AppendFollowUps(const ContentHead& content, const SettleContext& context,
                       SettlementPlan* plan) const {
    const dsn::Original original{.envelope = &delivery_.envelope(),
                                 .received_time = FromProto(delivery_.received_time()),
                                 .content = content.bytes,
                                 .content_is_complete = content.is_complete};
    for (size_t i = 0; i < by_kind_.size(); ++i) {
      if (by_kind_[i].empty()) continue;
      std::optional<spool::v1::NewMessage> message =
          dsn::FollowUpFor(static_cast<dsn::Kind>(i), original, by_kind_[i],
                           {.host_name = context.host_name,
                            .id = context.make_id(),
                            .now = context.now,
                            .expire_time = plan->retry.expire_time},
                           *context.classes);
      if (message) {
        *plan->settlement.add_follow_ups() = *std::move(message);
        ++plan->notifications_queued[i];
      } else {
        ++plan->notifications_suppressed[i];
      }
    }
  }

 private:
  const spool::v1::LeasedDelivery& delivery_;
  const Attempt& attempt_;
  std::array<std::vector<dsn::RecipientReport>, 4> by_kind_;
};

}  // namespace

mail::v1::Reply ToProto(const smtp::Reply& reply) {
  mail::v1::Reply out;
  out.set_code(reply.code());
  out.set_enhanced_code(reply.enhanced().ToString());
  out.set_text(reply.text().substr(0, kReplyTextBytesMax));
  return out;
}

bool MayNotify(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt,
               const SettleContext& context) {
  if (delivery.envelope().return_path().empty()) return false;
  const RetryDecision decision = DecideFor(delivery, attempt, context);
  for (int i = 0; i < delivery.recipients_size(); ++i) {
    const smtp::Disposition disposition = attempt.outcomes[i].disposition;
    if (disposition == smtp::Disposition::kPermanentFailure) return true;
    if (IsLeft(disposition) &&
        (decision.warn || decision.action == RetryDecision::Action::kReturn)) {
      return true;
    }
    if (disposition == smtp::Disposition::kDelivered && !attempt.peers[i].notifies &&
        dsn::IsWanted(dsn::Kind::kRelayed, delivery.recipients(i))) {
      return true;
    }
  }
  return false;
}

SettlementPlan PlanSettlement(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt,
                              const ContentHead& content, const SettleContext& context) {
  TURNPIKE_CHECK(static_cast<int>(attempt.outcomes.size()) == delivery.recipients_size());
  SettlementPlan plan;
  plan.retry = DecideFor(delivery, attempt, context);
  spool::v1::Settlement& settlement = plan.settlement;
  *settlement.mutable_token() = delivery.token();
  Reports reports(delivery, attempt);

  for (int i = 0; i < delivery.recipients_size(); ++i) {
    const smtp::RecipientOutcome& outcome = attempt.outcomes[i];
    spool::v1::RecipientOutcome* out = settlement.add_outcomes();
    out->set_index(i < delivery.recipient_indexes_size() ? delivery.recipient_indexes(i) : i);
    *out->mutable_reply() = ToProto(outcome.reply);
    out->set_host(attempt.peers[i].host);
    if (outcome.disposition == smtp::Disposition::kDelivered) {
      out->set_disposition(spool::v1::DISPOSITION_DELIVERED);
      ++plan.delivered;
      // [RFC3461 5.2.1] Who offers DSN has been passed the sender's wish.
      if (!attempt.peers[i].notifies &&
          dsn::IsWanted(dsn::Kind::kRelayed, delivery.recipients(i))) {
        reports.Add(attempt.is_lmtp ? dsn::Kind::kDelivered : dsn::Kind::kRelayed, i, false);
      }
      continue;
    }
    const bool expires =
        IsLeft(outcome.disposition) && plan.retry.action == RetryDecision::Action::kReturn;
    if (outcome.disposition == smtp::Disposition::kPermanentFailure || expires) {
      out->set_disposition(spool::v1::DISPOSITION_RETURNED);
      ++plan.returned;
      reports.Add(dsn::Kind::kFailed, i, expires);
      continue;
    }
    out->set_disposition(outcome.disposition == smtp::Disposition::kUnknown
                             ? spool::v1::DISPOSITION_UNKNOWN
                             : spool::v1::DISPOSITION_DELAYED);
    ++plan.delayed;
    if (plan.retry.warn) reports.Add(dsn::Kind::kDelayed, i, false);
  }

  if (plan.delayed > 0) {
    if (plan.retry.action == RetryDecision::Action::kPark) {
      settlement.set_park(true);
    } else {
      SetTime(plan.retry.next_attempt_time, settlement.mutable_defer_until());
      settlement.set_delay_warned(plan.retry.warn);
    }
  }
  reports.AppendFollowUps(content, context, &plan);
  return plan;
}

}  // namespace turnpike::delivery
