#include "services/spool-store/core/validate.h"

#include "absl/strings/str_cat.h"

namespace turnpike::spool {
namespace {

constexpr size_t kMessageIdBytes = 16;
constexpr int64_t kInlineBytesMax = 256 * 1024;

}  // namespace

absl::Status CheckQueueName(const v1::QueueName& queue) {
  if (!v1::QueueKind_IsValid(queue.kind()) || queue.kind() == v1::QUEUE_KIND_UNSPECIFIED) {
    return absl::InvalidArgumentError("queue without a kind");
  }
  if (queue.name().empty() || queue.name().size() > kQueueNameBytesMax) {
    return absl::InvalidArgumentError("queue name is empty or too long");
  }
  for (const char c : queue.name()) {
    if (c <= ' ' || c > '~' || (c >= 'A' && c <= 'Z')) {
      return absl::InvalidArgumentError("queue name is no lower-case domain");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUpdate(const v1::UpdateDeliveryRequest& request) {
  switch (request.change_case()) {
    case v1::UpdateDeliveryRequest::kMoveTo:
      return CheckQueueName(request.move_to());
    case v1::UpdateDeliveryRequest::kReturnToSender: {
      const turnpike::mail::v1::Reply& reply = request.return_to_sender();
      if (reply.code() < 500 || reply.code() > 599) {
        return absl::InvalidArgumentError("mail is returned with a reply of 500 to 599");
      }
      if (reply.text().size() > kReplyTextBytesMax) {
        return absl::InvalidArgumentError("the reply's text is too long");
      }
      return absl::OkStatus();
    }
    case v1::UpdateDeliveryRequest::kReroute: {
      const turnpike::mail::v1::Route& route = request.reroute();
      if (route.target_case() == turnpike::mail::v1::Route::TARGET_NOT_SET) {
        return absl::InvalidArgumentError("route without a target");
      }
      if (route.port() < 0 || route.port() > 65535) {
        return absl::InvalidArgumentError("route's port must be 1 to 65535");
      }
      return absl::OkStatus();
    }
    case v1::UpdateDeliveryRequest::kHold:
      if (request.hold()) return absl::OkStatus();
      break;
    case v1::UpdateDeliveryRequest::kMakeDue:
      if (request.make_due()) return absl::OkStatus();
      break;
    case v1::UpdateDeliveryRequest::kDelete:
      if (request.delete_()) return absl::OkStatus();
      break;
    case v1::UpdateDeliveryRequest::CHANGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("no change is asked for");
}

absl::Status CheckNewMessage(const v1::NewMessage& message) {
  if (message.message_id().size() != kMessageIdBytes) {
    return absl::InvalidArgumentError("message_id has not 16 octets");
  }
  if (message.deliveries().empty()) return absl::InvalidArgumentError("message for nobody");
  int recipients = 0;
  for (const v1::NewDelivery& delivery : message.deliveries()) {
    if (absl::Status status = CheckQueueName(delivery.queue()); !status.ok()) return status;
    if (delivery.recipients().empty()) return absl::InvalidArgumentError("delivery for nobody");
    recipients += delivery.recipients_size();
  }
  if (recipients > kRecipientsMax) return absl::InvalidArgumentError("too many recipients");
  const auto inline_bytes = static_cast<int64_t>(message.inline_content().size());
  if (inline_bytes > kInlineBytesMax) {
    return absl::InvalidArgumentError("content is too large to be inline");
  }
  if (message.content_bytes() < 0 ||
      (inline_bytes > 0 && inline_bytes != message.content_bytes())) {
    return absl::InvalidArgumentError(absl::StrCat("content_bytes is ", message.content_bytes(),
                                                   ", the content has ", inline_bytes));
  }
  return absl::OkStatus();
}

}  // namespace turnpike::spool
