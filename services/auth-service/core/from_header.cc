#include "services/auth-service/core/from_header.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/utf8.h"

#ifdef __SANITIZE_ADDRESS__
// Limit: GMime 3.2.13 itself loses some 130 octets over some malformed addresses; CountAts keeps
// the commonest from it. They come from GLib, which nothing else here uses, and where the sanitizer
// loses the trace.
extern "C" const char* __lsan_default_suppressions() { return "leak:libglib-2.0.so"; }
#endif

namespace turnpike::auth {
namespace {

constexpr int kCommentDepthMax = 16;

struct Unref {
  void operator()(InternetAddressList* list) const { g_object_unref(list); }
  void operator()(GMimeParserOptions* options) const { g_mime_parser_options_free(options); }
};

// The unfolded values of all From: fields. [RFC5322 2.2.3]
std::vector<std::string> FromValues(absl::string_view header) {
  std::vector<std::string> values;
  bool is_in_from = false;
  for (absl::string_view line : absl::StrSplit(header, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (!line.empty() && (line[0] == ' ' || line[0] == '\t')) {
      if (is_in_from) values.back().append(line.data(), line.size());
      continue;
    }
    const size_t colon = line.find(':');
    // [RFC5322 4.5] blanks before the colon are obsolete and allowed.
    is_in_from =
        colon != absl::string_view::npos &&
        absl::EqualsIgnoreCase(absl::StripTrailingAsciiWhitespace(line.substr(0, colon)), "from");
    if (is_in_from) values.emplace_back(line.substr(colon + 1));
  }
  for (std::string& value : values) std::replace(value.begin(), value.end(), '\t', ' ');
  return values;
}

// How many `@` stand outside of quoted strings and comments; nothing if one of these is not closed,
// if there is a backslash outside of them, or if an `@` stands before a `<` of the same address: a
// display name that is an address and not quoted. GMime 3.2.13 loses memory over such a one.
std::optional<size_t> CountAts(absl::string_view text) {
  size_t count = 0;
  bool is_quoted = false;
  bool has_at = false;  // in this address so far
  int comment_depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      if (!is_quoted && comment_depth == 0) return std::nullopt;
      ++i;
    } else if (is_quoted) {
      is_quoted = c != '"';
    } else if (c == '(') {
      if (++comment_depth > kCommentDepthMax) return std::nullopt;
    } else if (c == ')') {
      if (--comment_depth < 0) return std::nullopt;
    } else if (comment_depth == 0) {
      is_quoted = c == '"';
      if (c == '<' && has_at) return std::nullopt;
      if (c == '@') ++count;
      has_at = c == '@' || (has_at && c != ',');
    }
  }
  if (is_quoted || comment_depth != 0) return std::nullopt;
  return count;
}

// Appends the addresses of `list`, and of the groups in it. False if one is not an address.
bool AppendAddresses(InternetAddressList* list, std::vector<smtp::Mailbox>& addresses) {
  const int count = internet_address_list_length(list);
  for (int i = 0; i < count; ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      InternetAddressList* members =
          internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address));
      if (members != nullptr && !AppendAddresses(members, addresses)) return false;
      continue;
    }
    const char* text = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
    if (text == nullptr || addresses.size() >= kFromAddressesMax) return false;
    absl::StatusOr<smtp::Mailbox> mailbox = smtp::Mailbox::Parse(text, {.allow_utf8 = true});
    if (!mailbox.ok()) return false;
    addresses.push_back(*std::move(mailbox));
  }
  return true;
}

void NoteWarning(gint64, GMimeParserWarning warning, const gchar*, gpointer is_invalid) {
  // Unencoded UTF-8 is fine [RFC6532 3.2], and encoded words are display names, which nobody takes
  // for an address before they are decoded.
  const bool is_harmless = warning == GMIME_WARN_UNENCODED_8BIT_HEADER ||
                           warning == GMIME_WARN_INVALID_RFC2047_HEADER_VALUE;
  if (!is_harmless) *static_cast<bool*>(is_invalid) = true;
}

}  // namespace

FromHeader ReadFromHeader(absl::string_view header) {
  static absl::once_flag init;
  absl::call_once(init, g_mime_init);

  const std::vector<std::string> values = FromValues(header);
  if (values.empty()) return {.problem = FromHeader::Problem::kMissing};
  if (values.size() > 1) return {.problem = FromHeader::Problem::kRepeated};
  const std::string& value = values.front();
  if (absl::StripAsciiWhitespace(value).empty()) return {.problem = FromHeader::Problem::kMissing};
  const FromHeader unreadable{.problem = FromHeader::Problem::kUnreadable};
  const std::optional<size_t> at_count = CountAts(value);
  if (!smtp::IsPrintableUtf8(value) || !at_count.has_value()) return unreadable;

  bool is_invalid = false;
  const std::unique_ptr<GMimeParserOptions, Unref> options(g_mime_parser_options_new());
  g_mime_parser_options_set_address_compliance_mode(options.get(), GMIME_RFC_COMPLIANCE_STRICT);
  g_mime_parser_options_set_warning_callback(options.get(), NoteWarning, &is_invalid);
  const std::unique_ptr<InternetAddressList, Unref> list(
      internet_address_list_parse(options.get(), value.c_str()));
  FromHeader from;
  if (list == nullptr || is_invalid || !AppendAddresses(list.get(), from.addresses) ||
      from.addresses.size() != *at_count) {
    return unreadable;
  }
  if (from.addresses.empty()) from.problem = FromHeader::Problem::kMissing;
  return from;
}

}  // namespace turnpike::auth
