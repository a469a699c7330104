#include "services/common/smtp/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

absl::Status Malformed(absl::string_view why) { return absl::InvalidArgumentError(why); }
absl::Status TooLong(absl::string_view why) { return absl::OutOfRangeError(why); }

// `atext` of [RFC5322 3.2.3].
bool IsAtext(char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != absl::string_view::npos;
}

bool IsNonAscii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// Whether a local part can be written without quotes: a Dot-string [RFC5321 4.1.2].
bool IsDotString(absl::string_view text) {
  bool is_after_dot = true;
  for (char c : text) {
    if (c == '.') {
      if (is_after_dot) return false;
      is_after_dot = true;
    } else {
      if (!IsAtext(c) && !IsNonAscii(c)) return false;
      is_after_dot = false;
    }
  }
  return !is_after_dot;
}

}  // namespace

// Reads the grammar of [RFC5321 4.1.2] from the front of a text.
class AddressReader {
 public:
  AddressReader(absl::string_view text, const AddressOptions& options)
      : text_(text), options_(options) {}

  absl::string_view rest() const { return text_; }

  absl::StatusOr<Path> ReadPath() {
    const size_t size_before = text_.size();
    if (!absl::ConsumePrefix(&text_, "<")) return Malformed("path does not begin with '<'");
    if (absl::ConsumePrefix(&text_, ">")) return Path();
    if (absl::StartsWith(text_, "@")) {
      if (absl::Status status = SkipSourceRoute(); !status.ok()) return status;
    }
    absl::StatusOr<Mailbox> mailbox = ReadMailbox(">");
    if (!mailbox.ok()) return mailbox.status();
    if (!absl::ConsumePrefix(&text_, ">")) return Malformed("path does not end with '>'");
    if (size_before - text_.size() > options_.limits.path_bytes_max) {
      return TooLong("path is too long");
    }
    return Path(*std::move(mailbox));
  }

  // `end` is what may follow: the closing bracket, or nothing.
  absl::StatusOr<Mailbox> ReadMailbox(absl::string_view end) {
    absl::StatusOr<std::string> local_part = ReadLocalPart();
    if (!local_part.ok()) return local_part.status();
    if (absl::ConsumePrefix(&text_, "@")) {
      absl::StatusOr<Mailbox::Host> host = ReadHost(end);
      if (!host.ok()) return host.status();
      return Mailbox(*std::move(local_part), *std::move(host));
    }
    // [RFC5321 4.5.1] the one mailbox that needs no domain.
    if (absl::EqualsIgnoreCase(*local_part, "postmaster") && text_.substr(0, end.size()) == end) {
      return Mailbox(*std::move(local_part), std::monostate());
    }
    return Malformed("address has no domain");
  }

 private:
  absl::StatusOr<std::string> ReadLocalPart() {
    const bool is_quoted = absl::StartsWith(text_, "\"");
    absl::StatusOr<std::string> local_part = is_quoted ? ReadQuotedString() : ReadDotString();
    if (!local_part.ok()) return local_part;
    if (local_part->empty()) return Malformed("local part is empty");
    if (local_part->size() > options_.limits.local_part_bytes_max) {
      return TooLong("local part is too long");
    }
    if (!IsAscii(*local_part)) {
      if (!IsPrintableUtf8(*local_part)) return Malformed("local part is not printable UTF-8");
      if (!options_.allow_utf8) return absl::FailedPreconditionError("address is not ASCII");
    }
    return local_part;
  }

  absl::StatusOr<std::string> ReadDotString() {
    size_t size = 0;
    while (size < text_.size() &&
           (IsAtext(text_[size]) || text_[size] == '.' || IsNonAscii(text_[size]))) {
      ++size;
    }
    const absl::string_view local_part = text_.substr(0, size);
    if (!IsDotString(local_part)) return Malformed("local part is malformed");
    text_.remove_prefix(size);
    return std::string(local_part);
  }

  absl::StatusOr<std::string> ReadQuotedString() {
    std::string content;
    for (size_t i = 1; i < text_.size(); ++i) {
      char c = text_[i];
      if (c == '"') {
        text_.remove_prefix(i + 1);
        return content;
      }
      if (c == '\\') {
        if (++i == text_.size()) break;
        c = text_[i];
        if (IsNonAscii(c)) return Malformed("quoted pair is not ASCII");
      }
      if (absl::ascii_iscntrl(c)) return Malformed("local part has a control character");
      content += c;
    }
    return Malformed("quoted string does not end");
  }

  absl::StatusOr<Mailbox::Host> ReadHost(absl::string_view end) {
    if (absl::StartsWith(text_, "[")) {
      const size_t close = text_.find(']');
      if (close == absl::string_view::npos) return Malformed("address literal does not end");
      absl::StatusOr<AddressLiteral> literal = AddressLiteral::Parse(text_.substr(0, close + 1));
      if (!literal.ok()) return literal.status();
      text_.remove_prefix(close + 1);
      return Mailbox::Host(*std::move(literal));
    }
    absl::StatusOr<DomainName> name = ReadDomainName(end);
    if (!name.ok()) return name.status();
    return Mailbox::Host(*std::move(name));
  }

  // A name up to one of `delimiters`, or to the end of the text if there are none.
  absl::StatusOr<DomainName> ReadDomainName(absl::string_view delimiters) {
    const absl::string_view name = text_.substr(0, text_.find_first_of(delimiters));
    absl::StatusOr<DomainName> domain = DomainName::Parse(name);
    if (!domain.ok()) return domain;
    if (!options_.allow_utf8 && !IsAscii(name)) {
      return absl::FailedPreconditionError("address is not ASCII");
    }
    text_.remove_prefix(name.size());
    return domain;
  }

  // `@a,@b:`; must be accepted and should be ignored [RFC5321 4.1.2, C].
  absl::Status SkipSourceRoute() {
    while (absl::ConsumePrefix(&text_, "@")) {
      absl::StatusOr<DomainName> hop = ReadDomainName(",:>");
      if (!hop.ok()) return hop.status();
      if (absl::ConsumePrefix(&text_, ":")) return absl::OkStatus();
      if (!absl::ConsumePrefix(&text_, ",")) break;
    }
    return Malformed("source route is malformed");
  }

  absl::string_view text_;
  const AddressOptions& options_;
};

absl::StatusOr<AddressLiteral> AddressLiteral::Parse(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "[") || !absl::ConsumeSuffix(&text, "]")) {
    return Malformed("address literal has no brackets");
  }
  const bool is_ipv6 = absl::StartsWithIgnoreCase(text, "IPv6:");
  if (is_ipv6) text.remove_prefix(5);
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != absl::string_view::npos) {
    return Malformed("address literal is malformed");
  }
  const int family = is_ipv6 ? AF_INET6 : AF_INET;
  unsigned char bytes[16];
  char canonical[INET6_ADDRSTRLEN];
  if (inet_pton(family, std::string(text).c_str(), bytes) != 1 ||
      inet_ntop(family, bytes, canonical, sizeof(canonical)) == nullptr) {
    return Malformed("address literal is malformed");
  }
  return AddressLiteral(is_ipv6, canonical);
}

std::string AddressLiteral::ToString() const {
  return absl::StrCat(is_ipv6_ ? "[IPv6:" : "[", address_, "]");
}

absl::StatusOr<Mailbox> Mailbox::Parse(absl::string_view text, const AddressOptions& options) {
  if (text.size() + 2 > options.limits.path_bytes_max) return TooLong("address is too long");
  AddressReader reader(text, options);
  absl::StatusOr<Mailbox> mailbox = reader.ReadMailbox("");
  if (mailbox.ok() && !reader.rest().empty()) return Malformed("address has something after it");
  return mailbox;
}

bool Mailbox::has_routing_local_part() const {
  // What compatibility normalization (NFKC) makes of these is one of `@%!`.
  constexpr absl::string_view kLookalikes[] = {"\uff20", "\ufe6b", "\uff05",
                                               "\ufe6a", "\uff01", "\ufe57"};
  return local_part_.find_first_of("%!@") != std::string::npos ||
         absl::StrContains(local_part_, "::") ||
         std::any_of(
             std::begin(kLookalikes), std::end(kLookalikes),
             [this](absl::string_view each) { return absl::StrContains(local_part_, each); });
}

bool Mailbox::has_non_ascii_local_part() const { return !IsAscii(local_part_); }

std::string Mailbox::ToString() const {
  std::string text;
  if (IsDotString(local_part_)) {
    text = local_part_;
  } else {
    text = "\"";
    for (char c : local_part_) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  if (domain() != nullptr) {
    absl::StrAppend(&text, "@", domain()->ascii());
  } else if (literal() != nullptr) {
    absl::StrAppend(&text, "@", literal()->ToString());
  }
  return text;
}

absl::StatusOr<Path> Path::Consume(absl::string_view* text, const AddressOptions& options) {
  AddressReader reader(*text, options);
  absl::StatusOr<Path> path = reader.ReadPath();
  *text = reader.rest();
  return path;
}

absl::StatusOr<Path> Path::Parse(absl::string_view text, const AddressOptions& options) {
  if (text.empty()) return Path();
  absl::StatusOr<Mailbox> mailbox = Mailbox::Parse(text, options);
  if (!mailbox.ok()) return mailbox.status();
  return Path(*std::move(mailbox));
}

}  // namespace turnpike::smtp
