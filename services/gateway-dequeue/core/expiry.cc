#include "services/gateway-dequeue/core/expiry.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/dsn/dsn.h"
#include "services/common/smtp/reply.h"

namespace turnpike::dequeue {
namespace {

// Never on the wire: what the notification says in the place of a host's reply. [RFC3463 3.5]
constexpr smtp::ReplyCode kHeldTooLong{554, {5, 4, 7}, "Held for its server and not collected"};

mail::v1::Reply ReplyFor(absl::Duration retention) {
  mail::v1::Reply reply;
  reply.set_code(kHeldTooLong.code);
  reply.set_enhanced_code(kHeldTooLong.enhanced.ToString());
  reply.set_text(absl::StrCat(kHeldTooLong.text, " within ", absl::FormatDuration(retention)));
  return reply;
}

}  // namespace

spool::v1::Settlement ReturnExpired(const spool::v1::LeasedDelivery& delivery,
                                    absl::string_view content, const ExpiryContext& context) {
  spool::v1::Settlement settlement;
  *settlement.mutable_token() = delivery.token();
  settlement.set_hold(true);  // of what is left: nothing
  std::vector<dsn::RecipientReport> reports;
  for (int i = 0; i < delivery.recipients_size(); ++i) {
    spool::v1::RecipientOutcome* outcome = settlement.add_outcomes();
    outcome->set_index(i < delivery.recipient_indexes_size() ? delivery.recipient_indexes(i) : i);
    outcome->set_disposition(spool::v1::DISPOSITION_RETURNED);
    *outcome->mutable_reply() = ReplyFor(context.retention);
    reports.push_back({.recipient = delivery.recipients(i), .reply = outcome->reply()});
  }
  const absl::Time received_time = absl::FromUnixSeconds(delivery.received_time().seconds()) +
                                   absl::Nanoseconds(delivery.received_time().nanos());
  const dsn::Original original{
      .envelope = &delivery.envelope(),
      .received_time = received_time,
      .content = content,
      .content_is_complete = static_cast<int64_t>(content.size()) == delivery.content_bytes()};
  std::optional<spool::v1::NewMessage> report = dsn::FollowUpFor(
      dsn::Kind::kFailed, original, reports,
      {.host_name = context.host_name, .id = context.report_id, .now = context.now},
      context.classes);
  if (report.has_value()) *settlement.add_follow_ups() = *std::move(report);
  return settlement;
}

}  // namespace turnpike::dequeue
