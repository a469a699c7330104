// Domain names as mail knows them: one canonical form, so that two spellings of a name (case,
// U-label and A-label) are one gateway, one queue and one route.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_DOMAIN_NAME_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_DOMAIN_NAME_H_

#include <compare>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::smtp {

// A syntactically valid domain name in lower case with A-labels: what a resolver is asked and what
// tables are keyed by. Compared, ordered and hashed by that form.
//
// Thread safety: thread-compatible value type.
class DomainName {
 public:
  static constexpr size_t kBytesMax = 255;      // [RFC5321 4.5.3.1.2]
  static constexpr size_t kLabelBytesMax = 63;  // [RFC1035 2.3.4]

  struct ParseOptions {
    bool allow_u_labels = true;       // UTF-8 labels are converted by IDNA 2008 [RFC5891]
    bool allow_trailing_dot = false;  // the root's dot of a zone file; dropped
  };

  // Reads letters, digits, hyphens and underscores in labels that do not begin or end with a
  // hyphen. Underscores are no part of [RFC5321 4.1.2], but exist in the field and mean one thing
  // only. A name whose last label has only digits is refused: it reads like an address.
  // Returns INVALID_ARGUMENT for everything else, with a text that holds nothing of the input.
  static absl::StatusOr<DomainName> Parse(absl::string_view text, ParseOptions options);
  static absl::StatusOr<DomainName> Parse(absl::string_view text) { return Parse(text, {}); }

  // Lower case, A-labels, no trailing dot, 1..255 octets.
  const std::string& ascii() const { return ascii_; }

  // The name with U-labels where it has any, for people. Not for comparing.
  std::string ToUnicode() const;

  // True for `mail.example.org` of `example.org`; false for equal names and for `notexample.org`.
  bool IsSubdomainOf(const DomainName& parent) const;
  bool IsSameOrSubdomainOf(const DomainName& parent) const {
    return *this == parent || IsSubdomainOf(parent);
  }

  // `localhost` has none.
  bool has_dot() const { return ascii_.find('.') != std::string::npos; }

  friend bool operator==(const DomainName&, const DomainName&) = default;
  friend std::strong_ordering operator<=>(const DomainName&, const DomainName&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const DomainName& name) {
    return H::combine(std::move(state), name.ascii_);
  }

 private:
  explicit DomainName(std::string ascii) : ascii_(std::move(ascii)) {}

  std::string ascii_;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_DOMAIN_NAME_H_
