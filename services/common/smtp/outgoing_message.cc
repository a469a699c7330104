#include "services/common/smtp/outgoing_message.h"

#include <algorithm>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

bool HasNonAsciiLocalPart(const Path& path) {
  return path.mailbox() != nullptr && path.mailbox()->has_non_ascii_local_part();
}

bool NeedsSmtpUtf8(const OutgoingMessage& message) {
  // Domains need nothing, they are sent as A-labels. 8-bit octets in the header of a message that
  // never claimed to be international are plain 8-bit content.
  if (message.parameters.smtp_utf8 && message.header_has_8bit) return true;
  return HasNonAsciiLocalPart(message.return_path) ||
         std::any_of(message.recipients.begin(), message.recipients.end(),
                     [](const OutgoingRecipient& recipient) {
                       return HasNonAsciiLocalPart(recipient.path);
                     });
}

bool CanCarryBody(const OutgoingMessage& message, const Capabilities& peer) {
  if (message.parameters.body == BodyType::kBinaryMime) return peer.chunking && peer.binary_mime;
  const bool has_8bit = message.body_has_8bit || message.header_has_8bit;
  return !has_8bit || peer.eight_bit_mime;
}

}  // namespace

std::optional<Reply> FindHindrance(const OutgoingMessage& message, const Capabilities& peer) {
  if (NeedsSmtpUtf8(message) && !peer.smtp_utf8) return kNeedsSmtpUtf8;
  if (!CanCarryBody(message, peer)) return kConversionRequired;
  if (message.parameters.require_tls && !peer.require_tls) return kRequireTlsUnsupported;
  const bool is_too_big = peer.size && peer.size_bytes_max > 0 &&
                          message.parameters.size_bytes.value_or(0) > peer.size_bytes_max;
  if (is_too_big) return kMessageTooBig;
  return std::nullopt;
}

}  // namespace turnpike::smtp
