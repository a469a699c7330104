#include "services/common/config/value.h"

#include <arpa/inet.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "protos/turnpike/config/v1/rules.pb.h"
#include "services/common/base/check.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/smtp/utf8.h"

namespace turnpike::config {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

constexpr size_t kShownBytesMax = 60;

// The value as it is shown in a message.
std::string Shown(absl::string_view text) {
  if (text.size() <= kShownBytesMax) return absl::StrCat("`", text, "`");
  return absl::StrCat("`", text.substr(0, kShownBytesMax), "…`");
}

absl::Status Expected(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("must be ", what, ", not ", Shown(text)));
}

// Removes the digits at the beginning of `*text`; empty if there are none.
absl::string_view ConsumeDigits(absl::string_view* text) {
  size_t size = 0;
  while (size < text->size() && absl::ascii_isdigit((*text)[size])) ++size;
  const absl::string_view digits = text->substr(0, size);
  text->remove_prefix(size);
  return digits;
}

absl::string_view ConsumeLetters(absl::string_view* text) {
  size_t size = 0;
  while (size < text->size() && absl::ascii_isalpha((*text)[size])) ++size;
  const absl::string_view letters = text->substr(0, size);
  text->remove_prefix(size);
  return letters;
}

std::string JoinHostPort(absl::string_view host, uint32_t port) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

// Takes `host:port` apart; the host may be in brackets. False if it does not look like one.
bool TakeApart(absl::string_view text, absl::string_view* host, uint32_t* port) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return false;
  absl::string_view digits = text.substr(colon + 1);
  *host = text.substr(0, colon);
  return !digits.empty() && digits.size() <= 5 &&
         std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(digits, port) && *port <= 65535;
}

std::string EnumPrefix(const EnumDescriptor& type) {
  // The value 0 is PREFIX_UNSPECIFIED.
  const std::string& name = type.FindValueByNumber(0)->name();
  return name.substr(0, name.size() - absl::string_view("UNSPECIFIED").size());
}

absl::StatusOr<Value> ParseEnum(const EnumDescriptor& type, absl::string_view text) {
  std::vector<std::string> allowed;
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* value = type.value(i);
    if (value->number() == 0) continue;
    if (EnumText(*value) == text) return value;
    allowed.push_back(absl::StrCat("`", EnumText(*value), "`"));
  }
  return Expected(absl::StrCat(allowed.size() == 1 ? "" : "one of ", absl::StrJoin(allowed, ", ")),
                  text);
}

absl::StatusOr<std::string> ParseText(v1::ValueKind kind, absl::string_view text) {
  switch (kind) {
    case v1::VALUE_KIND_DOMAIN:
      return NormalDomain(text);
    case v1::VALUE_KIND_NETWORK:
      return NormalNetwork(text);
    case v1::VALUE_KIND_HOST_PORT:
      return NormalHostPort(text);
    case v1::VALUE_KIND_LISTEN:
      return NormalListen(text);
    case v1::VALUE_KIND_MAILBOX:
      return NormalMailbox(text);
    case v1::VALUE_KIND_SECRET:
      if (text.empty()) return absl::InvalidArgumentError("must not be empty");
      return std::string(text);
    default:
      if (text.empty()) return absl::InvalidArgumentError("must not be empty");
      if (!smtp::IsPrintableUtf8(text)) {
        return absl::InvalidArgumentError("must be UTF-8 text without control characters");
      }
      return std::string(text);
  }
}

template <typename Integer>
absl::StatusOr<Value> ParseInteger(absl::string_view text) {
  Integer value;
  if (text.empty() || absl::ascii_isspace(text.front()) || !absl::SimpleAtoi(text, &value)) {
    return Expected(absl::StrCat("a whole number from ", std::numeric_limits<Integer>::min(),
                                 " to ", std::numeric_limits<Integer>::max()),
                    text);
  }
  if constexpr (std::numeric_limits<Integer>::is_signed) {
    return static_cast<int64_t>(value);
  } else {
    return static_cast<uint64_t>(value);
  }
}

}  // namespace

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

absl::StatusOr<Value> ParseValue(const FieldDescriptor& field, absl::string_view text) {
  const v1::FieldRules& rules = field.options().GetExtension(v1::rules);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text == "true") return true;
      if (text == "false") return false;
      return Expected("`true` or `false`", text);
    case FieldDescriptor::CPPTYPE_INT32:
      return ParseInteger<int32_t>(text);
    case FieldDescriptor::CPPTYPE_INT64:
      return ParseInteger<int64_t>(text);
    case FieldDescriptor::CPPTYPE_UINT32:
      return ParseInteger<uint32_t>(text);
    case FieldDescriptor::CPPTYPE_UINT64:
      if (rules.kind() == v1::VALUE_KIND_BYTES) return ParseBytes(text);
      return ParseInteger<uint64_t>(text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ParseEnum(*field.enum_type(), text);
    case FieldDescriptor::CPPTYPE_STRING:
      if (text.empty() && rules.may_be_empty()) return std::string();
      return ParseText(rules.kind(), text);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      TURNPIKE_CHECK(IsDuration(field), field.full_name());
      return ParseDuration(text);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      break;
  }
  base::CheckFailed(__FILE__, __LINE__, "a type that configurations do not use", field.full_name());
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  const absl::Status error = Expected("a time such as `90s`, `5m`, `4h` or `5d`", text);
  static constexpr std::pair<absl::string_view, absl::Duration (*)(int64_t)> kUnits[] = {
      {"ms", +[](int64_t n) { return absl::Milliseconds(n); }},
      {"s", +[](int64_t n) { return absl::Seconds(n); }},
      {"m", +[](int64_t n) { return absl::Minutes(n); }},
      {"h", +[](int64_t n) { return absl::Hours(n); }},
      {"d", +[](int64_t n) { return absl::Hours(24 * n); }},
      {"w", +[](int64_t n) { return absl::Hours(24 * 7 * n); }},
  };
  if (text == "0") return absl::ZeroDuration();
  if (text.empty()) return error;
  absl::Duration sum = absl::ZeroDuration();
  while (!text.empty()) {
    const absl::string_view digits = ConsumeDigits(&text);
    const absl::string_view name = ConsumeLetters(&text);
    // Nine digits of weeks are far from the limits of a Duration, and of its proto form.
    int64_t number;
    if (digits.size() > 9 || !absl::SimpleAtoi(digits, &number)) return error;
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [name](const auto& known) { return known.first == name; });
    if (unit == std::end(kUnits)) return error;
    sum += unit->second(number);
  }
  return sum;
}

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  const absl::Status error = Expected("a size such as `65536`, `64KiB` or `50MiB`", text);
  static constexpr std::pair<absl::string_view, uint64_t> kUnits[] = {
      {"", 1},
      {"B", 1},
      {"KB", 1'000},
      {"kB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"TB", 1'000'000'000'000},
      {"KiB", uint64_t{1} << 10},
      {"MiB", uint64_t{1} << 20},
      {"GiB", uint64_t{1} << 30},
      {"TiB", uint64_t{1} << 40},
  };
  absl::string_view rest = text;
  uint64_t number;
  if (!absl::SimpleAtoi(ConsumeDigits(&rest), &number)) return error;
  for (const auto& [name, factor] : kUnits) {
    if (rest != name) continue;
    if (number > std::numeric_limits<uint64_t>::max() / factor) return error;
    return number * factor;
  }
  return error;
}

absl::StatusOr<std::string> NormalDomain(absl::string_view text) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(text);
  if (!domain.ok()) return Expected("a domain name such as `example.org`", text);
  return domain->ascii();
}

absl::StatusOr<std::string> NormalAddress(absl::string_view text) {
  const std::string terminated(text);
  std::array<char, INET6_ADDRSTRLEN> normal;
  in_addr v4;
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) {
    return std::string(inet_ntop(AF_INET, &v4, normal.data(), normal.size()));
  }
  in6_addr v6;
  if (inet_pton(AF_INET6, terminated.c_str(), &v6) == 1) {
    return std::string(inet_ntop(AF_INET6, &v6, normal.data(), normal.size()));
  }
  return Expected("an IP address such as `192.0.2.1` or `2001:db8::1`", text);
}

absl::StatusOr<std::string> NormalNetwork(absl::string_view text) {
  const absl::Status error =
      Expected("an IP address or a network such as `192.0.2.0/24` or `2001:db8::/32`", text);
  const size_t slash = text.find('/');
  const absl::StatusOr<std::string> address = NormalAddress(text.substr(0, slash));
  if (!address.ok()) return error;
  if (slash == absl::string_view::npos) return *address;

  std::array<uint8_t, 16> octets{};
  const bool is_v6 = absl::StrContains(*address, ':');
  const size_t bits = is_v6 ? 128 : 32;
  inet_pton(is_v6 ? AF_INET6 : AF_INET, address->c_str(), octets.data());
  const absl::string_view digits = text.substr(slash + 1);
  size_t prefix;
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &prefix) || prefix > bits) {
    return error;
  }
  std::array<uint8_t, 16> masked = octets;
  for (size_t bit = prefix; bit < bits; ++bit) {
    masked[bit / 8] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  std::array<char, INET6_ADDRSTRLEN> shown;
  inet_ntop(is_v6 ? AF_INET6 : AF_INET, masked.data(), shown.data(), shown.size());
  const std::string network = absl::StrCat(shown.data(), "/", prefix);
  if (masked != octets) {
    return absl::InvalidArgumentError(absl::StrCat(
        Shown(text), " has bits set behind its prefix; write `", network, "` or a longer prefix"));
  }
  return network;
}

absl::StatusOr<std::string> NormalHostPort(absl::string_view text) {
  absl::string_view host;
  uint32_t port;
  if (TakeApart(text, &host, &port)) {
    if (absl::StatusOr<std::string> listen = NormalListen(text); listen.ok()) return listen;
    if (absl::StatusOr<std::string> name = NormalDomain(host); name.ok()) {
      return JoinHostPort(*name, port);
    }
  }
  return Expected("host:port such as `mail.example.org:25`, `192.0.2.1:25` or `[::1]:25`", text);
}

absl::StatusOr<std::string> NormalListen(absl::string_view text) {
  absl::string_view host;
  uint32_t port;
  if (TakeApart(text, &host, &port)) {
    const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (in_brackets) host = host.substr(1, host.size() - 2);
    const absl::StatusOr<std::string> address = NormalAddress(host);
    if (address.ok() && in_brackets == absl::StrContains(*address, ':')) {
      return JoinHostPort(*address, port);
    }
  }
  return Expected("address:port such as `0.0.0.0:25`, `127.0.0.1:7101` or `[::]:25`", text);
}

absl::StatusOr<std::string> NormalMailbox(absl::string_view text) {
  const absl::StatusOr<smtp::Mailbox> mailbox =
      smtp::Mailbox::Parse(text, {.allow_utf8 = true, .limits = {}});
  if (!mailbox.ok() || mailbox->domain() == nullptr) {
    return Expected("a mail address such as `joe@example.org`", text);
  }
  return mailbox->ToString();
}

HostPort SplitHostPort(absl::string_view normal) {
  absl::string_view host;
  uint32_t port = 0;
  TURNPIKE_CHECK(TakeApart(normal, &host, &port), std::string(normal));
  if (absl::StartsWith(host, "[")) host = host.substr(1, host.size() - 2);
  return {std::string(host), static_cast<uint16_t>(port)};
}

std::string EnumText(const EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(value.name().substr(EnumPrefix(*value.type()).size()));
}

}  // namespace turnpike::config
