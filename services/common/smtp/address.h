// Mailboxes and paths: what stands between the angle brackets of MAIL and RCPT.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_ADDRESS_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_ADDRESS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::smtp {

struct AddressLimits {
  // Without quotes and backslashes. Senders must keep to 64, but VERP and SRS do not, and receivers
  // should impose no limit that they need not. [RFC5321 4.5.3.1]
  size_t local_part_bytes_max = 250;
  size_t path_bytes_max = 256;  // [RFC5321 4.5.3.1.3], with the brackets and source route
};

struct AddressOptions {
  bool allow_utf8 = false;  // [RFC6531]; without it any octet above 0x7f is refused
  AddressLimits limits = {};
};

// An IPv4 or IPv6 address in brackets. General-address-literals are refused: none is registered.
// [RFC5321 4.1.3]
class AddressLiteral {
 public:
  // `text` is `[192.0.2.1]` or `[IPv6:2001:db8::1]`. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<AddressLiteral> Parse(absl::string_view text);

  bool is_ipv6() const { return is_ipv6_; }
  const std::string& address() const { return address_; }  // canonical, without brackets
  std::string ToString() const;                            // with brackets, as on the wire

  friend bool operator==(const AddressLiteral&, const AddressLiteral&) = default;

 private:
  AddressLiteral(bool is_ipv6, std::string address)
      : is_ipv6_(is_ipv6), address_(std::move(address)) {}

  bool is_ipv6_;
  std::string address_;
};

// local-part@domain, local-part@[literal], or a bare `postmaster`. [RFC5321 4.1.2, 4.5.1]
//
// Thread safety: thread-compatible value type.
class Mailbox {
 public:
  // Reads a whole mailbox without brackets, such as one from the configuration or the spool.
  // Errors:
  //   INVALID_ARGUMENT     not a mailbox; control characters and NUL are never part of one.
  //   OUT_OF_RANGE         a length limit.
  //   FAILED_PRECONDITION  well formed, but needs `allow_utf8`.
  static absl::StatusOr<Mailbox> Parse(absl::string_view text, const AddressOptions& options);

  // What the local part means: without quotes and backslashes, case kept. Never empty.
  const std::string& local_part() const { return local_part_; }

  // Null for an address literal and for a bare `postmaster`.
  const DomainName* domain() const { return std::get_if<DomainName>(&host_); }
  const AddressLiteral* literal() const { return std::get_if<AddressLiteral>(&host_); }

  // True where a host that looks into local parts might route the mail onwards: percent hack, bang
  // path, a second `@`, DECnet's `::`, also by characters that are taken for these after
  // normalization (U+FF20). A relay rule must not take such an address as local. (AU-24)
  bool has_routing_local_part() const;

  bool has_non_ascii_local_part() const;

  // Canonical: quoted only where it must be, the domain as A-labels. Reads back to an equal value.
  std::string ToString() const;

  // Local parts compare by octets, domains case-insensitively. [RFC5321 2.4]
  friend bool operator==(const Mailbox&, const Mailbox&) = default;

 private:
  friend class AddressReader;
  using Host = std::variant<std::monostate, DomainName, AddressLiteral>;
  Mailbox(std::string local_part, Host host)
      : local_part_(std::move(local_part)), host_(std::move(host)) {}

  std::string local_part_;
  Host host_;
};

// A reverse-path or forward-path: a mailbox, or nothing (the null reverse-path `<>`).
//
// Thread safety: thread-compatible value type.
class Path {
 public:
  Path() = default;  // null
  explicit Path(Mailbox mailbox) : mailbox_(std::move(mailbox)) {}

  // Reads `<...>` at the beginning of `*text` and removes it from there. A source route is checked
  // and dropped [RFC5321 C]. `*text` is unspecified after an error; errors as Mailbox::Parse.
  // A null path is returned as such; a forward-path must not be one, the caller sees to it.
  static absl::StatusOr<Path> Consume(absl::string_view* text, const AddressOptions& options);

  // Reads a path as it is kept in a spool: without brackets, empty for the null path.
  static absl::StatusOr<Path> Parse(absl::string_view text, const AddressOptions& options);

  bool is_null() const { return !mailbox_.has_value(); }
  const Mailbox* mailbox() const { return mailbox_ ? &*mailbox_ : nullptr; }  // null if is_null()

  // Without brackets; empty for the null path.
  std::string ToString() const { return mailbox_ ? mailbox_->ToString() : std::string(); }

  friend bool operator==(const Path&, const Path&) = default;

 private:
  std::optional<Mailbox> mailbox_;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_ADDRESS_H_
