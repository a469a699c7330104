#include "services/common/smtp/received.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

// A name that a peer made up, reduced to what names and address literals are made of.
std::string HarmlessName(absl::string_view name) {
  std::string harmless;
  for (char c : name) {
    const bool is_harmless =
        absl::ascii_isalnum(c) || absl::string_view(".-_:[]").find(c) != absl::string_view::npos;
    harmless += is_harmless ? c : '?';
  }
  return harmless.empty() ? "unknown" : harmless;
}

// A word for a comment: nothing that ends it.
std::string HarmlessComment(absl::string_view text) {
  std::string harmless;
  for (char c : text) {
    const bool is_harmless = c >= ' ' && c <= '~' && c != '(' && c != ')' && c != '\\';
    harmless += is_harmless ? c : '?';
  }
  return harmless;
}

std::string AddressLiteralText(absl::string_view address) {
  return absl::StrCat(absl::StrContains(address, ":") ? "[IPv6:" : "[", HarmlessName(address), "]");
}

bool IsPrintable(absl::string_view text, bool allow_utf8) {
  return IsPrintableUtf8(text) && (allow_utf8 || IsAscii(text));
}

}  // namespace

absl::string_view TransmissionTypeName(const TransmissionType& type) {
  static constexpr absl::string_view kExtended[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
  static constexpr absl::string_view kUtf8[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
  if (!type.is_extended) return "SMTP";
  const int index = (type.is_tls ? 1 : 0) + (type.is_authenticated ? 2 : 0);
  return type.is_smtp_utf8 ? kUtf8[index] : kExtended[index];
}

std::string FormatReceived(const ReceivedField& field) {
  std::string text = absl::StrCat("Received: from ", HarmlessName(field.helo), " (");
  if (!field.client_name.empty()) absl::StrAppend(&text, HarmlessName(field.client_name), " ");
  absl::StrAppend(&text, AddressLiteralText(field.client_address), ")\r\n\tby ",
                  HarmlessName(field.server_name), " with ", TransmissionTypeName(field.type));
  if (!field.tls.empty()) absl::StrAppend(&text, " (", HarmlessComment(field.tls), ")");
  absl::StrAppend(&text, "\r\n\tid ", HarmlessName(field.id));
  if (!field.for_recipient.empty() && IsPrintable(field.for_recipient, field.type.is_smtp_utf8)) {
    absl::StrAppend(&text, " for <", field.for_recipient, ">");
  }
  absl::StrAppend(&text, ";\r\n\t", FormatDate(field.time), "\r\n");
  return text;
}

std::string FormatDate(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", time, absl::UTCTimeZone());
}

}  // namespace turnpike::smtp
