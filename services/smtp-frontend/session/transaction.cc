#include "services/smtp-frontend/session/transaction.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace turnpike::frontend {
namespace {

mail::v1::BodyType BodyTypeOf(const std::optional<smtp::BodyType>& body) {
  if (!body.has_value()) return mail::v1::BODY_TYPE_UNSPECIFIED;
  switch (*body) {
    case smtp::BodyType::k7Bit:
      return mail::v1::BODY_TYPE_7BIT;
    case smtp::BodyType::k8BitMime:
      return mail::v1::BODY_TYPE_8BITMIME;
    case smtp::BodyType::kBinaryMime:
      return mail::v1::BODY_TYPE_BINARYMIME;
  }
  return mail::v1::BODY_TYPE_UNSPECIFIED;
}

mail::v1::DsnReturn DsnReturnOf(const std::optional<smtp::DsnReturn>& ret) {
  if (!ret.has_value()) return mail::v1::DSN_RETURN_UNSPECIFIED;
  return *ret == smtp::DsnReturn::kFull ? mail::v1::DSN_RETURN_FULL : mail::v1::DSN_RETURN_HEADERS;
}

void SetNotify(const smtp::DsnNotify& notify, mail::v1::Recipient* recipient) {
  if (notify.never) recipient->add_dsn_notify(mail::v1::DSN_NOTIFY_NEVER);
  if (notify.success) recipient->add_dsn_notify(mail::v1::DSN_NOTIFY_SUCCESS);
  if (notify.failure) recipient->add_dsn_notify(mail::v1::DSN_NOTIFY_FAILURE);
  if (notify.delay) recipient->add_dsn_notify(mail::v1::DSN_NOTIFY_DELAY);
}

std::optional<spool::v1::QueueKind> QueueKindOf(auth::v1::RecipientClass recipient_class) {
  switch (recipient_class) {
    case auth::v1::RECIPIENT_CLASS_GATEWAY:
      return spool::v1::QUEUE_KIND_GATEWAY;
    case auth::v1::RECIPIENT_CLASS_LOCAL:
      return spool::v1::QUEUE_KIND_LOCAL;
    case auth::v1::RECIPIENT_CLASS_REMOTE:
      return spool::v1::QUEUE_KIND_REMOTE;
    default:  // unset, or of a newer auth-service
      return std::nullopt;
  }
}

}  // namespace

Transaction::Transaction(const smtp::Path& return_path, const smtp::MailParameters& parameters) {
  mail::v1::Envelope* envelope = message_.mutable_envelope();
  envelope->set_return_path(return_path.ToString());
  envelope->set_body_type(BodyTypeOf(parameters.body));
  envelope->set_smtputf8(parameters.smtp_utf8);
  envelope->set_require_tls(parameters.require_tls);
  envelope->set_dsn_return(DsnReturnOf(parameters.ret));
  if (parameters.envelope_id) envelope->set_dsn_envelope_id(*parameters.envelope_id);
}

absl::Status Transaction::AddRecipient(const smtp::Path& forward_path,
                                       const smtp::RcptParameters& parameters,
                                       const auth::v1::Verdict& verdict) {
  const std::optional<spool::v1::QueueKind> kind = QueueKindOf(verdict.recipient_class());
  if (!kind || verdict.queue().empty()) {
    return absl::InvalidArgumentError("the verdict names no queue for an accepted recipient");
  }
  const auto [position, is_new] = delivery_by_queue_.try_emplace(
      absl::StrCat(*kind, "/", verdict.queue()), message_.deliveries_size());
  if (is_new) {
    spool::v1::NewDelivery* delivery = message_.add_deliveries();
    delivery->mutable_queue()->set_kind(*kind);
    delivery->mutable_queue()->set_name(verdict.queue());
    delivery->set_hold(*kind == spool::v1::QUEUE_KIND_GATEWAY);  // (DQ-1)
  }
  mail::v1::Recipient* recipient = message_.mutable_deliveries(position->second)->add_recipients();
  recipient->set_address(forward_path.ToString());
  if (parameters.notify) SetNotify(*parameters.notify, recipient);
  if (parameters.original_recipient) {
    recipient->set_dsn_original_recipient(parameters.original_recipient->ToString());
  }
  ++recipient_count_;
  if (*kind != spool::v1::QUEUE_KIND_REMOTE) has_own_recipient_ = true;
  return absl::OkStatus();
}

const std::string& Transaction::only_recipient() const {
  static const std::string& none = *new std::string();
  return recipient_count_ == 1 ? message_.deliveries(0).recipients(0).address() : none;
}

}  // namespace turnpike::frontend
