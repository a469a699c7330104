#include "services/common/dsn/report.h"

#include <algorithm>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "services/common/dsn/text.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/parameters.h"
#include "services/common/smtp/received.h"
#include "services/common/smtp/reply.h"
#include "services/common/smtp/utf8.h"
#include "services/common/smtp/xtext.h"

namespace turnpike::dsn {
namespace {

constexpr size_t kAddressBytesMax = 900;  // a line's length less the field's name

// What the three parts of every kind say.
struct Words {
  absl::string_view subject;
  absl::string_view introduction;
  absl::string_view action;          // [RFC3464 2.3.3]
  absl::string_view default_status;  // when the reply carries no enhanced code that fits
};

Words WordsOf(Kind kind) {
  switch (kind) {
    case Kind::kFailed:
      return {"Your message could not be delivered",
              "Your message could not be delivered to the recipients below, and no further attempt "
              "will be made. What each host said follows its recipient.",
              "failed", "5.0.0"};
    case Kind::kDelayed:
      return {"Your message is delayed",
              "Your message has not been delivered to the recipients below yet. You need not send "
              "it again: we keep trying, and will tell you if we have to give up.",
              "delayed", "4.0.0"};
    case Kind::kDelivered:
      return {"Your message was delivered",
              "Your message was delivered to the recipients below. You asked to be told.",
              "delivered", "2.0.0"};
    case Kind::kRelayed:
      return {"Your message was passed on",
              "Your message was passed on towards the recipients below, to a host that may not "
              "tell you what becomes of it. You asked to be told.",
              "relayed", "2.0.0"};
  }
  return {};
}

// Whether the report needs the UTF-8 forms of RFC 6533.
bool NeedsGlobal(const Original& original, const std::vector<RecipientReport>& recipients) {
  if (!original.envelope->smtputf8()) return false;
  if (!smtp::IsAscii(original.envelope->return_path())) return true;
  return std::any_of(recipients.begin(), recipients.end(), [](const RecipientReport& report) {
    return !smtp::IsAscii(report.recipient.address());
  });
}

// `rfc822; ann@example.org`, or `utf-8; …` where the address has octets above 0x7e.
std::string FinalRecipient(absl::string_view address, bool is_global) {
  const bool is_utf8 = is_global && !smtp::IsAscii(address);
  return absl::StrCat(is_utf8 ? "utf-8; " : "rfc822; ",
                      CleanLine(address, is_global, kAddressBytesMax));
}

// As ORCPT gave it. In the ASCII form of the report a UTF-8 address is escaped. [RFC6533 3]
std::string OriginalRecipient(const std::string& text, bool is_global) {
  const std::optional<smtp::OriginalRecipient> parsed = smtp::OriginalRecipient::Parse(text);
  if (!parsed) return std::string();
  if (!is_global && !smtp::IsAscii(parsed->address)) {
    return absl::StrCat(parsed->address_type, "; ", smtp::EncodeUtf8AddressXtext(parsed->address));
  }
  return absl::StrCat(parsed->address_type, "; ",
                      CleanLine(parsed->address, is_global, kAddressBytesMax));
}

// The enhanced code of the reply where its class fits the action. [RFC3464 2.3.4]
std::string StatusOf(Kind kind, const RecipientReport& report, absl::string_view fallback) {
  if (report.is_expired) return "4.4.7";  // delivery time expired [RFC3463 3.5]
  const std::optional<smtp::EnhancedCode> code =
      smtp::EnhancedCode::Parse(report.reply.enhanced_code());
  if (code) {
    const bool is_success = kind == Kind::kDelivered || kind == Kind::kRelayed;
    const bool fits = is_success               ? code->kind == 2
                      : kind == Kind::kDelayed ? code->kind == 4
                                               : code->kind == 4 || code->kind == 5;
    if (fits) return code->ToString();
  }
  // Given up after a temporary failure, such as one that is as good as permanent.
  if (kind == Kind::kFailed && report.reply.code() / 100 == 4) return "4.0.0";
  return std::string(fallback);
}

// `550 5.1.1 No such user`
std::string ReplyText(const mail::v1::Reply& reply) {
  std::string text = reply.code() > 0 ? absl::StrCat(reply.code(), " ") : std::string();
  if (!reply.enhanced_code().empty()) {
    absl::StrAppend(&text, CleanLine(reply.enhanced_code(), false), " ");
  }
  absl::StrAppend(&text, CleanLine(reply.text(), /*allow_utf8=*/false));
  return text;
}

// The name, or the address in brackets, at the front of `mx1.example.org [192.0.2.1]:25`.
std::string RemoteMta(absl::string_view host) {
  const std::string clean = CleanLine(host, /*allow_utf8=*/false, 300);
  absl::string_view name = absl::string_view(clean).substr(0, clean.find(' '));
  if (!name.empty() && name.front() == '[') name = name.substr(0, name.find(']') + 1);
  return std::string(name);
}

void AppendHumanPart(Kind kind, const Words& words, const std::vector<RecipientReport>& recipients,
                     const Context& context, bool is_global, std::string* out) {
  AppendWrapped(absl::StrCat("This is the mail system at ", context.host_name, "."), "", out);
  absl::StrAppend(out, "\r\n");
  AppendWrapped(words.introduction, "", out);
  if (kind == Kind::kDelayed && context.expire_time < absl::InfiniteFuture()) {
    absl::StrAppend(out, "\r\n");
    AppendWrapped(absl::StrCat("We try until ", smtp::FormatDate(context.expire_time), "."), "",
                  out);
  }
  for (const RecipientReport& report : recipients) {
    absl::StrAppend(out, "\r\n");
    std::string text = absl::StrCat("<", CleanLine(report.recipient.address(), is_global), ">:");
    if (report.is_expired) absl::StrAppend(&text, " could not be delivered in time; last:");
    if (!report.host.empty()) {
      absl::StrAppend(&text, " ", CleanLine(report.host, false, 400), " said:");
    }
    absl::StrAppend(&text, " ", ReplyText(report.reply));
    AppendWrapped(text, "    ", out);
  }
}

void AppendRecipientFields(Kind kind, const Words& words, const RecipientReport& report,
                           const Context& context, bool is_global, std::string* out) {
  absl::StrAppend(out, "\r\n");
  const std::string original =
      OriginalRecipient(report.recipient.dsn_original_recipient(), is_global);
  // Not folded: blanks inside a quoted local part count.
  if (!original.empty()) absl::StrAppend(out, "Original-Recipient: ", original, "\r\n");
  absl::StrAppend(out, "Final-Recipient: ", FinalRecipient(report.recipient.address(), is_global),
                  "\r\n");
  AppendField("Action", words.action, out);
  AppendField("Status", StatusOf(kind, report, words.default_status), out);
  if (report.host.empty()) {
    // Nobody else said this.
    AppendField("Diagnostic-Code", absl::StrCat("x-turnpike; ", ReplyText(report.reply)), out);
  } else {
    AppendField("Remote-MTA", absl::StrCat("dns; ", RemoteMta(report.host)), out);
    AppendField("Diagnostic-Code", absl::StrCat("smtp; ", ReplyText(report.reply)), out);
  }
  AppendField("Last-Attempt-Date", smtp::FormatDate(context.now), out);
  if (kind == Kind::kDelayed && context.expire_time < absl::InfiniteFuture()) {
    AppendField("Will-Retry-Until", smtp::FormatDate(context.expire_time), out);
  }
}

void AppendStatusPart(Kind kind, const Words& words, const Original& original,
                      const std::vector<RecipientReport>& recipients, const Context& context,
                      bool is_global, std::string* out) {
  if (!original.envelope->dsn_envelope_id().empty()) {
    AppendField("Original-Envelope-Id", CleanLine(original.envelope->dsn_envelope_id(), false),
                out);
  }
  AppendField("Reporting-MTA", absl::StrCat("dns; ", context.host_name), out);
  AppendField("Arrival-Date", smtp::FormatDate(original.received_time), out);
  for (const RecipientReport& report : recipients) {
    AppendRecipientFields(kind, words, report, context, is_global, out);
  }
}

// RET=FULL means failures; of all else the header is returned. [RFC3461 4.3]
bool ReturnsFullText(Kind kind, const Original& original) {
  return kind == Kind::kFailed && original.envelope->dsn_return() == mail::v1::DSN_RETURN_FULL &&
         original.content_is_complete && original.content.size() <= kReturnedBytesMax &&
         original.envelope->body_type() != mail::v1::BODY_TYPE_BINARYMIME &&
         IsSendable(original.content);
}

void AppendPartHeader(absl::string_view boundary, absl::string_view type, bool is_8bit,
                      std::string* out) {
  absl::StrAppend(out, "--", boundary, "\r\nContent-Type: ", type,
                  "\r\nContent-Transfer-Encoding: ", is_8bit ? "8bit" : "7bit", "\r\n\r\n");
}

std::string HeaderTo(const std::string& return_path) {
  const absl::StatusOr<smtp::Mailbox> mailbox =
      smtp::Mailbox::Parse(return_path, {.allow_utf8 = true});
  return CleanLine(mailbox.ok() ? mailbox->ToString() : return_path, /*allow_utf8=*/true);
}

}  // namespace

Report BuildReport(Kind kind, const Original& original,
                   const std::vector<RecipientReport>& recipients, const Context& context) {
  const Words words = WordsOf(kind);
  const bool is_global = NeedsGlobal(original, recipients);
  // Holds 74 random bits, so that nobody can write it into the original beforehand.
  const std::string boundary = absl::StrCat("=_", context.id.ToString());

  std::string human;
  AppendHumanPart(kind, words, recipients, context, is_global, &human);
  std::string status;
  AppendStatusPart(kind, words, original, recipients, context, is_global, &status);
  const bool is_full = ReturnsFullText(kind, original);
  const std::string returned = is_full ? std::string(original.content)
                                       : CleanHeader(original.content, kReturnedHeaderBytesMax);

  Report report;
  std::string& out = report.content;
  AppendField("From", absl::StrCat("Mail Delivery System <mailer-daemon@", context.host_name, ">"),
              &out);
  absl::StrAppend(&out, "To: ", HeaderTo(original.envelope->return_path()), "\r\n");
  AppendField("Subject", words.subject, &out);
  AppendField("Date", smtp::FormatDate(context.now), &out);
  AppendField("Message-ID", absl::StrCat("<", context.id.ToString(), "@", context.host_name, ">"),
              &out);
  AppendField("Auto-Submitted", "auto-replied", &out);  // [RFC3834 5]
  AppendField("MIME-Version", "1.0", &out);
  absl::StrAppend(&out, "Content-Type: multipart/report; report-type=delivery-status;\r\n",
                  "    boundary=\"", boundary, "\"\r\n");
  const bool human_is_8bit = !smtp::IsAscii(human);
  const bool status_is_8bit = !smtp::IsAscii(status);
  const bool returned_is_8bit = !smtp::IsAscii(returned);
  report.is_8bit = human_is_8bit || status_is_8bit || returned_is_8bit || !smtp::IsAscii(out);
  absl::StrAppend(&out, "Content-Transfer-Encoding: ", report.is_8bit ? "8bit" : "7bit",
                  "\r\n\r\nThis is a report in MIME format.\r\n\r\n");

  AppendPartHeader(boundary,
                   human_is_8bit ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                   human_is_8bit, &out);
  absl::StrAppend(&out, human, "\r\n");
  AppendPartHeader(boundary,
                   is_global ? "message/global-delivery-status" : "message/delivery-status",
                   status_is_8bit, &out);
  absl::StrAppend(&out, status, "\r\n");
  const absl::string_view returned_type = is_full
                                              ? (is_global ? "message/global" : "message/rfc822")
                                          : is_global ? "message/global-headers"
                                                      : "text/rfc822-headers";
  AppendPartHeader(boundary, returned_type, returned_is_8bit, &out);
  absl::StrAppend(&out, returned, "\r\n--", boundary, "--\r\n");
  return report;
}

}  // namespace turnpike::dsn
