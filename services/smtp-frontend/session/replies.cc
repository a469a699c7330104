#include "services/smtp-frontend/session/replies.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::frontend {
namespace {

constexpr size_t kTextBytesMax = 2048;

struct Reason {
  const smtp::ReplyCode& code;
  absl::string_view name;
};

// By code and enhanced code; several names of the table share them.
constexpr Reason kReasons[] = {
    {smtp::kRelayDenied, "relay_denied"},
    {smtp::kNoSuchUser, "unknown_recipient"},
    {smtp::kAuthRequired, "auth_required"},
    {smtp::kSenderMismatch, "sender_policy"},
    {smtp::kAuthFailed, "bad_credentials"},
    {smtp::kMailboxFull, "mailbox_full"},
    {smtp::kInsufficientStorage, "spool_full"},
    {smtp::kMessageTooBig, "size"},
    {smtp::kTooManyRecipients, "rate"},
    {smtp::kTooManyErrors, "rate"},
    {smtp::kBareNewline, "bare_newline"},
    {smtp::kContentBareNewline, "bare_newline"},
    {smtp::kMailLoop, "loop"},
    {smtp::kContentLineTooLong, "syntax"},
    {smtp::kContentNul, "syntax"},
    {smtp::kTemporaryFailure, "unavailable"},
    {smtp::kAuthUnavailable, "unavailable"},
};

}  // namespace

smtp::Reply ReplyFromProto(const mail::v1::Reply& reply) {
  if (reply.code() < 200 || reply.code() > 599) return smtp::kTemporaryFailure;
  const smtp::EnhancedCode enhanced =
      smtp::EnhancedCode::Parse(reply.enhanced_code()).value_or(smtp::EnhancedCode());
  return smtp::Reply(static_cast<uint16_t>(reply.code()), enhanced, reply.text());
}

mail::v1::Reply ReplyToProto(const smtp::Reply& reply) {
  mail::v1::Reply proto;
  proto.set_code(reply.code());
  proto.set_enhanced_code(reply.enhanced().ToString());
  std::string text = reply.text().substr(0, kTextBytesMax);
  for (char& c : text) {
    const bool is_harmless = (c >= 0x20 && c <= 0x7e) || c == '\n';
    if (!is_harmless) c = '?';
  }
  proto.set_text(std::move(text));
  return proto;
}

smtp::Reply SpoolFailureReply(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) return smtp::kInsufficientStorage;
  return smtp::kTemporaryFailure;
}

absl::string_view RejectionReason(const smtp::Reply& reply) {
  for (const Reason& reason : kReasons) {
    if (reason.code.code == reply.code() && reason.code.enhanced == reply.enhanced()) {
      return reason.name;
    }
  }
  return "other";
}

}  // namespace turnpike::frontend
