#include "services/common/smtp/capabilities.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kKeywordLinesMax = 100;
constexpr size_t kMechanismsMax = 50;

struct Flag {
  absl::string_view keyword;
  bool Capabilities::*member;
};

// The keywords without a value, in the order we offer them.
constexpr Flag kFlags[] = {
    {"PIPELINING", &Capabilities::pipelining},
    {"8BITMIME", &Capabilities::eight_bit_mime},
    {"SMTPUTF8", &Capabilities::smtp_utf8},
    {"ENHANCEDSTATUSCODES", &Capabilities::enhanced_status_codes},
    {"DSN", &Capabilities::dsn},
    {"CHUNKING", &Capabilities::chunking},
    {"BINARYMIME", &Capabilities::binary_mime},
    {"STARTTLS", &Capabilities::start_tls},
    {"REQUIRETLS", &Capabilities::require_tls},
    {"ETRN", &Capabilities::etrn},
    {"ATRN", &Capabilities::atrn},
    {"VRFY", &Capabilities::vrfy},
    {"HELP", &Capabilities::help},
};

struct Limit {
  absl::string_view name;
  uint32_t Capabilities::*member;
};

constexpr Limit kLimits[] = {
    {"RCPTMAX", &Capabilities::limit_recipients},
    {"MAILMAX", &Capabilities::limit_transactions},
    {"RCPTDOMAINMAX", &Capabilities::limit_recipient_domains},
};

void ReadMechanisms(absl::string_view arguments, Capabilities* capabilities) {
  for (absl::string_view name : absl::StrSplit(arguments, ' ', absl::SkipEmpty())) {
    if (capabilities->auth_mechanisms.size() >= kMechanismsMax) return;
    if (!capabilities->offers_auth(name)) {
      capabilities->auth_mechanisms.push_back(absl::AsciiStrToUpper(name));
    }
  }
}

void ReadLimits(absl::string_view arguments, Capabilities* capabilities) {
  for (absl::string_view item : absl::StrSplit(arguments, ' ', absl::SkipEmpty())) {
    const std::vector<absl::string_view> pair = absl::StrSplit(item, absl::MaxSplits('=', 1));
    uint32_t value = 0;
    if (pair.size() != 2 || !absl::SimpleAtoi(pair[1], &value)) continue;
    for (const Limit& limit : kLimits) {
      if (absl::EqualsIgnoreCase(pair[0], limit.name)) capabilities->*limit.member = value;
    }
  }
}

void ReadKeywordLine(absl::string_view line, Capabilities* capabilities) {
  line = absl::StripAsciiWhitespace(line);
  const size_t space = line.find(' ');
  const absl::string_view keyword = line.substr(0, space);
  const absl::string_view arguments =
      space == absl::string_view::npos ? absl::string_view() : line.substr(space + 1);
  for (const Flag& flag : kFlags) {
    if (absl::EqualsIgnoreCase(keyword, flag.keyword)) {
      capabilities->*flag.member = true;
      return;
    }
  }
  if (absl::EqualsIgnoreCase(keyword, "SIZE")) {
    uint64_t size = 0;
    capabilities->size = true;
    if (absl::SimpleAtoi(arguments, &size)) capabilities->size_bytes_max = size;
  } else if (absl::EqualsIgnoreCase(keyword, "AUTH")) {
    ReadMechanisms(arguments, capabilities);
  } else if (absl::StartsWithIgnoreCase(keyword, "AUTH=")) {
    ReadMechanisms(absl::StrCat(keyword.substr(5), " ", arguments), capabilities);
  } else if (absl::EqualsIgnoreCase(keyword, "LIMITS")) {
    ReadLimits(arguments, capabilities);
  }
}

}  // namespace

Capabilities Capabilities::FromEhloReply(const Reply& reply) {
  Capabilities capabilities;
  const std::vector<absl::string_view> lines = reply.lines();
  for (size_t i = 1; i < std::min(lines.size(), kKeywordLinesMax + 1); ++i) {
    ReadKeywordLine(lines[i], &capabilities);
  }
  return capabilities;
}

bool Capabilities::offers_auth(absl::string_view mechanism) const {
  return std::any_of(
      auth_mechanisms.begin(), auth_mechanisms.end(),
      [&](const std::string& offered) { return absl::EqualsIgnoreCase(offered, mechanism); });
}

void Capabilities::AppendKeywordLines(std::string* text) const {
  for (const Flag& flag : kFlags) {
    if (this->*flag.member) absl::StrAppend(text, "\n", flag.keyword);
  }
  if (size && size_bytes_max > 0) {
    absl::StrAppend(text, "\nSIZE ", size_bytes_max);
  } else if (size) {
    absl::StrAppend(text, "\nSIZE");
  }
  if (!auth_mechanisms.empty()) {
    absl::StrAppend(text, "\nAUTH ", absl::StrJoin(auth_mechanisms, " "));
  }
  std::string limits;
  for (const Limit& limit : kLimits) {
    if (this->*limit.member > 0)
      absl::StrAppend(&limits, " ", limit.name, "=", this->*limit.member);
  }
  if (!limits.empty()) absl::StrAppend(text, "\nLIMITS", limits);
}

}  // namespace turnpike::smtp
