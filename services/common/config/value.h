// Single configuration values: text to what a field of the configuration's messages holds.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_VALUE_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_VALUE_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace google::protobuf {
class EnumValueDescriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace turnpike::config {

// One alternative for each type of field that is in use. Values of one field have the same
// alternative, so that they can be compared.
using Value = std::variant<std::string, bool, int64_t, uint64_t, absl::Duration,
                           const google::protobuf::EnumValueDescriptor*>;

// Reads the value of one element of `field` by its type and kind; bounds and existence of files
// are not checked here. Text comes back in normal form. INVALID_ARGUMENT says what is expected and
// never repeats a secret.
absl::StatusOr<Value> ParseValue(const google::protobuf::FieldDescriptor& field,
                                 absl::string_view text);

// True for google.protobuf.Duration, which is written as a scalar.
bool IsDuration(const google::protobuf::FieldDescriptor& field);

// The forms that ParseValue knows, for those who hold text of a kind. All return INVALID_ARGUMENT.

// `90s`, `1h30m`; units ms, s, m, h, d, w. A plain 0 needs none.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);
// `4096`, `10MiB`; units B, KB, MB, GB, TB, KiB, MiB, GiB, TiB.
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text);
// Lower case with A-labels.
absl::StatusOr<std::string> NormalDomain(absl::string_view text);
// An IPv4 or IPv6 address, without brackets.
absl::StatusOr<std::string> NormalAddress(absl::string_view text);
// An address, or network/prefix without bits behind the prefix.
absl::StatusOr<std::string> NormalNetwork(absl::string_view text);
// `host:port` with a name or an address, which for IPv6 is in brackets.
absl::StatusOr<std::string> NormalHostPort(absl::string_view text);
// The same with an address only.
absl::StatusOr<std::string> NormalListen(absl::string_view text);
// `local@domain`
absl::StatusOr<std::string> NormalMailbox(absl::string_view text);

// `host:port` in normal form, taken apart; the host without brackets.
struct HostPort {
  std::string host;
  uint16_t port = 0;
};
HostPort SplitHostPort(absl::string_view normal);

// Enum value as it is written: without the prefix, in lower case.
std::string EnumText(const google::protobuf::EnumValueDescriptor& value);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_VALUE_H_
