#include "services/common/spooled/outgoing.h"

#include <optional>
#include <string>
#include <utility>

#include "services/common/base/status_macros.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/parameters.h"

namespace turnpike::spooled {
namespace {

// The spool holds what we accepted under our own limits; the next host judges by its own.
constexpr smtp::AddressOptions kAnyAddress{
    .allow_utf8 = true, .limits = {.local_part_bytes_max = 1024, .path_bytes_max = 2048}};

std::optional<smtp::BodyType> BodyOf(mail::v1::BodyType type) {
  switch (type) {
    case mail::v1::BODY_TYPE_7BIT:
      return smtp::BodyType::k7Bit;
    case mail::v1::BODY_TYPE_8BITMIME:
      return smtp::BodyType::k8BitMime;
    case mail::v1::BODY_TYPE_BINARYMIME:
      return smtp::BodyType::kBinaryMime;
    default:
      return std::nullopt;
  }
}

std::optional<smtp::DsnReturn> ReturnOf(mail::v1::DsnReturn value) {
  switch (value) {
    case mail::v1::DSN_RETURN_FULL:
      return smtp::DsnReturn::kFull;
    case mail::v1::DSN_RETURN_HEADERS:
      return smtp::DsnReturn::kHeaders;
    default:
      return std::nullopt;
  }
}

std::optional<smtp::DsnNotify> NotifyOf(const mail::v1::Recipient& recipient) {
  if (recipient.dsn_notify().empty()) return std::nullopt;
  smtp::DsnNotify notify;
  for (const int value : recipient.dsn_notify()) {
    if (value == mail::v1::DSN_NOTIFY_NEVER) notify.never = true;
    if (value == mail::v1::DSN_NOTIFY_SUCCESS) notify.success = true;
    if (value == mail::v1::DSN_NOTIFY_FAILURE) notify.failure = true;
    if (value == mail::v1::DSN_NOTIFY_DELAY) notify.delay = true;
  }
  return notify;
}

}  // namespace

absl::StatusOr<smtp::OutgoingMessage> MakeOutgoingMessage(const spool::v1::LeasedDelivery& delivery,
                                                          const smtp::HeaderFacts& facts) {
  const mail::v1::Envelope& envelope = delivery.envelope();
  smtp::OutgoingMessage message;
  TURNPIKE_ASSIGN_OR_RETURN(message.return_path,
                            smtp::Path::Parse(envelope.return_path(), kAnyAddress));
  message.parameters.size_bytes = static_cast<uint64_t>(delivery.content_bytes());
  message.parameters.body = BodyOf(envelope.body_type());
  message.parameters.smtp_utf8 = envelope.smtputf8();
  message.parameters.require_tls = envelope.require_tls();
  message.parameters.ret = ReturnOf(envelope.dsn_return());
  if (!envelope.dsn_envelope_id().empty()) {
    message.parameters.envelope_id = envelope.dsn_envelope_id();
  }
  message.recipients.reserve(delivery.recipients_size());
  for (const mail::v1::Recipient& recipient : delivery.recipients()) {
    smtp::OutgoingRecipient outgoing;
    TURNPIKE_ASSIGN_OR_RETURN(outgoing.path, smtp::Path::Parse(recipient.address(), kAnyAddress));
    if (outgoing.path.is_null()) return absl::InvalidArgumentError("null recipient");
    outgoing.parameters.notify = NotifyOf(recipient);
    outgoing.parameters.original_recipient =
        smtp::OriginalRecipient::Parse(recipient.dsn_original_recipient());
    message.recipients.push_back(std::move(outgoing));
  }
  if (message.recipients.empty()) return absl::InvalidArgumentError("no recipients");
  message.header_has_8bit = facts.header_has_8bit;
  message.body_has_8bit = facts.body_has_8bit;
  return message;
}

smtp::HeaderFacts AssumeFacts(const mail::v1::Envelope& envelope) {
  smtp::HeaderFacts facts;
  facts.header_has_8bit = envelope.smtputf8();
  facts.body_has_8bit = envelope.smtputf8() ||
                        envelope.body_type() == mail::v1::BODY_TYPE_8BITMIME ||
                        envelope.body_type() == mail::v1::BODY_TYPE_BINARYMIME;
  return facts;
}

}  // namespace turnpike::spooled
