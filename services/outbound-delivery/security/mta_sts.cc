#include "services/outbound-delivery/security/mta_sts.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::delivery {
namespace {

constexpr absl::string_view kVersion = "v=STSv1";
constexpr size_t kIdBytesMax = 32;

bool IsId(absl::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax &&
         std::all_of(text.begin(), text.end(), absl::ascii_isalnum);
}

bool IsExtensionName(absl::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && absl::ascii_isalnum(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

bool IsExtensionValue(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c <= '~' && c != ';' && c != '=';
  });
}

// The id of one record that begins with the version.
std::optional<std::string> IdOf(absl::string_view record) {
  std::optional<std::string> id;
  std::vector<absl::string_view> fields = absl::StrSplit(record.substr(kVersion.size()), ';');
  // What stands before the first and after the last delimiter is nothing but blanks.
  if (!absl::StripAsciiWhitespace(fields.front()).empty()) return std::nullopt;
  if (fields.size() > 1 && absl::StripAsciiWhitespace(fields.back()).empty()) fields.pop_back();
  for (size_t i = 1; i < fields.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(absl::StripAsciiWhitespace(fields[i]), absl::MaxSplits('=', 1));
    if (field.first == "id") {
      if (!IsId(field.second)) return std::nullopt;
      if (!id) id = std::string(field.second);
    } else if (!IsExtensionName(field.first) || !IsExtensionValue(field.second)) {
      return std::nullopt;
    }
  }
  return id;
}

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("MTA-STS policy: ", what));
}

bool IsMxPattern(absl::string_view text) {
  absl::ConsumePrefix(&text, "*.");
  return smtp::DomainName::Parse(text).ok();
}

}  // namespace

bool StsPolicy::AllowsHost(absl::string_view host) const {
  const std::string name = absl::AsciiStrToLower(host);
  const size_t dot = name.find('.');
  return std::any_of(mx.begin(), mx.end(), [&](const std::string& pattern) {
    if (!absl::StartsWith(pattern, "*.")) return pattern == name;
    return dot != std::string::npos && dot > 0 &&
           absl::string_view(name).substr(dot) == absl::string_view(pattern).substr(1);
  });
}

std::optional<std::string> ReadStsRecord(const std::vector<std::string>& texts) {
  std::optional<absl::string_view> record;
  for (const std::string& text : texts) {
    absl::string_view rest = text;
    if (!absl::ConsumePrefix(&rest, kVersion)) continue;
    // `v=STSv12` is another version.
    if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest), ";")) continue;
    if (record) return std::nullopt;
    record = text;
  }
  return record ? IdOf(*record) : std::nullopt;
}

absl::StatusOr<StsPolicy> ReadStsPolicy(absl::string_view text) {
  if (text.size() > kStsPolicyBytesMax) return Invalid("longer than 64 KiB");
  StsPolicy policy;
  std::optional<absl::string_view> version;
  std::optional<absl::string_view> mode;
  std::optional<absl::string_view> age;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) return Invalid("a line without `:`");
    const absl::string_view key = line.substr(0, colon);
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    // Of a field that may stand once, the first counts; unknown ones are passed over.
    if (key == "version" && !version) version = value;
    if (key == "mode" && !mode) mode = value;
    if (key == "max_age" && !age) age = value;
    if (key != "mx") continue;
    if (!IsMxPattern(value)) return Invalid("an `mx` that is no host name");
    policy.mx.push_back(absl::AsciiStrToLower(value));
  }
  if (version != "STSv1") return Invalid("`version` is not STSv1");
  uint64_t seconds = 0;
  constexpr size_t kAgeDigitsMax = 10;
  if (!age || age->size() > kAgeDigitsMax || !absl::SimpleAtoi(*age, &seconds)) {
    return Invalid("`max_age` is not a number of seconds");
  }
  policy.age_max = std::min(absl::Seconds(seconds), kStsAgeMax);
  if (mode == "enforce") {
    policy.mode = StsPolicy::Mode::kEnforce;
  } else if (mode == "testing") {
    policy.mode = StsPolicy::Mode::kTesting;
  } else if (mode != "none") {
    return Invalid("`mode` is not enforce, testing or none");
  }
  if (policy.mx.empty() && policy.mode != StsPolicy::Mode::kNone) return Invalid("without `mx`");
  return policy;
}

}  // namespace turnpike::delivery
