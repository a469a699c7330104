#include "services/common/dsn/dsn.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::dsn {
namespace {

mail::v1::DsnNotify NotifyOf(Kind kind) {
  switch (kind) {
    case Kind::kFailed:
      return mail::v1::DSN_NOTIFY_FAILURE;
    case Kind::kDelayed:
      return mail::v1::DSN_NOTIFY_DELAY;
    case Kind::kDelivered:
    case Kind::kRelayed:
      return mail::v1::DSN_NOTIFY_SUCCESS;
  }
  return mail::v1::DSN_NOTIFY_UNSPECIFIED;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t nanos = absl::ToUnixNanos(time);
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

}  // namespace

bool IsWanted(Kind kind, const mail::v1::Recipient& recipient) {
  if (recipient.dsn_notify().empty()) return kind == Kind::kFailed || kind == Kind::kDelayed;
  const auto& notify = recipient.dsn_notify();
  return std::find(notify.begin(), notify.end(), NotifyOf(kind)) != notify.end();
}

std::optional<spool::v1::NewMessage> FollowUpFor(Kind kind, const Original& original,
                                                 const std::vector<RecipientReport>& recipients,
                                                 const Context& context,
                                                 const routing::DomainClasses& classes) {
  const std::string& sender = original.envelope->return_path();
  if (sender.empty()) return std::nullopt;
  const absl::StatusOr<smtp::Mailbox> mailbox = smtp::Mailbox::Parse(sender, {.allow_utf8 = true});
  if (!mailbox.ok()) return std::nullopt;

  std::vector<RecipientReport> wanted;
  for (const RecipientReport& recipient : recipients) {
    if (IsWanted(kind, recipient.recipient)) wanted.push_back(recipient);
  }
  if (wanted.empty()) return std::nullopt;

  Report report = BuildReport(kind, original, wanted, context);
  routing::Place place = classes.PlaceOf(*mailbox);

  spool::v1::NewMessage message;
  message.set_message_id(std::string(context.id.bytes()));
  mail::v1::Envelope* envelope = message.mutable_envelope();  // the null sender
  envelope->set_body_type(report.is_8bit ? mail::v1::BODY_TYPE_8BITMIME : mail::v1::BODY_TYPE_7BIT);
  envelope->set_smtputf8(!smtp::IsAscii(sender));
  spool::v1::NewDelivery* delivery = message.add_deliveries();
  *delivery->mutable_queue() = std::move(place.queue);
  delivery->set_hold(place.hold);
  mail::v1::Recipient* recipient = delivery->add_recipients();
  recipient->set_address(sender);
  recipient->add_dsn_notify(mail::v1::DSN_NOTIFY_NEVER);
  message.mutable_client()->set_helo(context.host_name);
  message.mutable_client()->set_protocol("DSN");
  SetTime(context.now, message.mutable_received_time());
  message.set_content_bytes(static_cast<int64_t>(report.content.size()));
  message.set_inline_content(std::move(report.content));
  return message;
}

}  // namespace turnpike::dsn
