#include "services/smtp-frontend/session/turn_settlement.h"

#include <optional>
#include <utility>

#include "google/protobuf/timestamp.pb.h"
#include "services/common/base/check.h"
#include "services/common/dsn/dsn.h"
#include "services/smtp-frontend/session/replies.h"

namespace turnpike::frontend {
namespace {

// Nothing when the recipient was not offered to the peer, so that there is nothing to tell.
std::optional<spool::v1::Disposition> DispositionOf(const smtp::RecipientOutcome& outcome) {
  switch (outcome.disposition) {
    case smtp::Disposition::kDelivered:
      return spool::v1::DISPOSITION_DELIVERED;
    case smtp::Disposition::kPermanentFailure:
      return spool::v1::DISPOSITION_RETURNED;
    case smtp::Disposition::kUnknown:
      return spool::v1::DISPOSITION_UNKNOWN;
    case smtp::Disposition::kTransientFailure:
      if (outcome.stage == smtp::Stage::kConnection) return std::nullopt;
      return spool::v1::DISPOSITION_DELAYED;
  }
  return std::nullopt;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

TurnSettlement SettleTurn(const spool::v1::LeasedDelivery& delivery, const TurnAttempt& attempt,
                          const TurnContext& context) {
  TURNPIKE_CHECK(static_cast<int>(attempt.outcomes.size()) == delivery.recipients_size());
  TurnSettlement result;
  *result.settlement.mutable_token() = delivery.token();
  result.settlement.set_hold(true);
  std::vector<dsn::RecipientReport> failed;
  std::vector<dsn::RecipientReport> relayed;
  for (int i = 0; i < delivery.recipients_size(); ++i) {
    const smtp::RecipientOutcome& outcome = attempt.outcomes[i];
    const std::optional<spool::v1::Disposition> disposition = DispositionOf(outcome);
    if (!disposition) {
      ++result.kept;
      continue;
    }
    spool::v1::RecipientOutcome* recorded = result.settlement.add_outcomes();
    recorded->set_index(i < delivery.recipient_indexes_size() ? delivery.recipient_indexes(i) : i);
    recorded->set_disposition(*disposition);
    *recorded->mutable_reply() = ReplyToProto(outcome.reply);
    recorded->set_host(attempt.host);
    const dsn::RecipientReport report{.recipient = delivery.recipients(i),
                                      .reply = recorded->reply(),
                                      .host = outcome.is_from_peer ? attempt.host : ""};
    if (*disposition == spool::v1::DISPOSITION_DELIVERED) {
      ++result.delivered;
      // [RFC3461 5.2.1] A peer that offers DSN has been told of the sender's wish.
      if (!attempt.peer_notifies) relayed.push_back(report);
    } else if (*disposition == spool::v1::DISPOSITION_RETURNED) {
      ++result.returned;
      failed.push_back(report);
    } else {
      ++result.kept;
      if (*disposition == spool::v1::DISPOSITION_UNKNOWN) ++result.unknown;
    }
  }
  const dsn::Original original{.envelope = &delivery.envelope(),
                               .received_time = FromProto(delivery.received_time()),
                               .content = attempt.content,
                               .content_is_complete = attempt.content_is_complete};
  const auto add_notification = [&](dsn::Kind kind,
                                    const std::vector<dsn::RecipientReport>& reports) {
    if (reports.empty()) return;
    std::optional<spool::v1::NewMessage> notification = dsn::FollowUpFor(
        kind, original, reports,
        {.host_name = context.host_name, .id = context.make_id(), .now = context.now},
        *context.classes);
    if (notification) *result.settlement.add_follow_ups() = *std::move(notification);
  };
  add_notification(dsn::Kind::kFailed, failed);
  add_notification(dsn::Kind::kRelayed, relayed);
  return result;
}

}  // namespace turnpike::frontend
