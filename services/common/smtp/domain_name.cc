#include "services/common/smtp/domain_name.h"

#include <idn2.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::smtp {
namespace {

struct Idn2Free {
  void operator()(uint8_t* text) const { idn2_free(text); }
  void operator()(char* text) const { idn2_free(text); }
};

bool IsLdhOrUnderscore(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

// Letters, digits, hyphens and underscores, 1..63, no hyphen at either end.
bool IsAsciiLabel(absl::string_view label) {
  if (label.empty() || label.size() > DomainName::kLabelBytesMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (char c : label) {
    if (!IsLdhOrUnderscore(c)) return false;
  }
  return true;
}

// The A-label of a U-label, or of an A-label after checking that it is one. One label at a time, so
// that nothing that Unicode holds for a dot can make two of it. IDN2_USE_STD3_ASCII_RULES must stay
// unset: it drops what ASCII names cannot hold (a full-width @ between two letters) where we
// refuse.
std::optional<std::string> ToALabel(absl::string_view label) {
  if (label.size() > 4 * DomainName::kLabelBytesMax || !IsPrintableUtf8(label)) return std::nullopt;
  const std::string terminated(label);
  uint8_t* raw = nullptr;
  const int rc = idn2_lookup_u8(reinterpret_cast<const uint8_t*>(terminated.c_str()), &raw,
                                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<uint8_t, Idn2Free> result(raw);
  if (rc != IDN2_OK || result == nullptr) return std::nullopt;
  std::string a_label(reinterpret_cast<const char*>(result.get()));
  if (!IsAsciiLabel(a_label)) return std::nullopt;
  return a_label;
}

absl::Status Refuse(absl::string_view why) { return absl::InvalidArgumentError(why); }

}  // namespace

absl::StatusOr<DomainName> DomainName::Parse(absl::string_view text, ParseOptions options) {
  if (options.allow_trailing_dot && text.size() > 1) absl::ConsumeSuffix(&text, ".");
  if (text.empty()) return Refuse("domain name is empty");
  // U-labels may be longer than what they become, but not without a bound.
  if (text.size() > 4 * kBytesMax) return Refuse("domain name is too long");

  std::string ascii;
  ascii.reserve(text.size());
  absl::string_view last_label;
  while (true) {
    const size_t dot = text.find('.');
    const absl::string_view label = text.substr(0, dot);
    const size_t label_begin = ascii.size();
    if (IsAscii(label) && !absl::StartsWithIgnoreCase(label, "xn--")) {
      if (!IsAsciiLabel(label)) return Refuse("domain name has a malformed label");
      ascii.append(label.data(), label.size());
    } else {
      if (!options.allow_u_labels && !IsAscii(label)) return Refuse("domain name is not ASCII");
      const std::optional<std::string> a_label = ToALabel(label);
      if (!a_label) return Refuse("domain name has a malformed international label");
      ascii += *a_label;
    }
    if (dot == absl::string_view::npos) {
      last_label = absl::string_view(ascii).substr(label_begin);
      break;
    }
    ascii += '.';
    text.remove_prefix(dot + 1);
  }
  if (ascii.size() > kBytesMax) return Refuse("domain name is too long");
  bool has_non_digit = false;
  for (char c : last_label) has_non_digit |= !absl::ascii_isdigit(c);
  if (!has_non_digit) return Refuse("domain name looks like an address");
  absl::AsciiStrToLower(&ascii);
  return DomainName(std::move(ascii));
}

std::string DomainName::ToUnicode() const {
  if (!absl::StrContains(ascii_, "xn--")) return ascii_;
  char* raw = nullptr;
  const int rc = idn2_to_unicode_8z8z(ascii_.c_str(), &raw, 0);
  const std::unique_ptr<char, Idn2Free> result(raw);
  return rc == IDN2_OK && result != nullptr ? std::string(result.get()) : ascii_;
}

bool DomainName::IsSubdomainOf(const DomainName& parent) const {
  return ascii_.size() > parent.ascii_.size() && absl::EndsWith(ascii_, parent.ascii_) &&
         ascii_[ascii_.size() - parent.ascii_.size() - 1] == '.';
}

}  // namespace turnpike::smtp
