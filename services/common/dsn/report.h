// Delivery status notifications: the message that tells a sender what became of the mail. Pure.
//
// multipart/report [RFC6522] of a text for people, a message/delivery-status [RFC3464] and the
// original's header or text [RFC3461 6]; with message/global-* parts where the original's addresses
// need UTF-8 [RFC6533].
#ifndef TURNPIKE_SERVICES_COMMON_DSN_REPORT_H_
#define TURNPIKE_SERVICES_COMMON_DSN_REPORT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "services/common/base/message_id.h"

namespace turnpike::dsn {

// A returned original is never larger than this; a larger one is cut down to its header.
inline constexpr size_t kReturnedBytesMax = 128 * 1024;
inline constexpr size_t kReturnedHeaderBytesMax = 32 * 1024;

enum class Kind {
  kFailed,     // given up; the recipient will not get the mail
  kDelayed,    // not delivered yet, still being tried
  kDelivered,  // in the mailbox, as far as a mailbox server says
  kRelayed,    // taken by a host that does not promise notifications [RFC3461 5.2.2]
};

// What is reported of one recipient.
struct RecipientReport {
  mail::v1::Recipient recipient;
  mail::v1::Reply reply;    // the peer's words, or ours when `host` is empty
  std::string host;         // `mx1.example.org [192.0.2.1]:25`, who gave the reply; empty: nobody
  bool is_expired = false;  // kFailed only: we have tried for too long; `reply` is the last failure
};

// The message that is reported about. Everything outlives the call.
struct Original {
  const mail::v1::Envelope* envelope = nullptr;  // not null
  absl::Time received_time;
  // The content's beginning: all of it, or at least the header section where that can be had.
  absl::string_view content;
  bool content_is_complete = false;
};

struct Context {
  std::string host_name;  // ours: Reporting-MTA, From and Message-ID
  base::MessageId id;     // of the notification; in its Message-ID and boundary
  absl::Time now;
  absl::Time expire_time = absl::InfiniteFuture();  // kDelayed: until when we try
};

struct Report {
  std::string content;   // CRLF line ends, lines of at most 998 octets, no NUL
  bool is_8bit = false;  // needs 8BITMIME
};

// Builds the notification to `original.envelope->return_path`, which is not null, about
// `recipients`, which are not empty. Whatever a remote host, a header or an address holds, the
// result is well formed: control octets become `?`, long lines are folded or cut.
Report BuildReport(Kind kind, const Original& original,
                   const std::vector<RecipientReport>& recipients, const Context& context);

}  // namespace turnpike::dsn

#endif  // TURNPIKE_SERVICES_COMMON_DSN_REPORT_H_
