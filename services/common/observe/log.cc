#include "services/common/observe/log.h"

#include <openssl/sha.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "services/common/observe/json.h"

namespace turnpike::observe {
namespace {

constexpr size_t kTextBytesMax = 1024;
constexpr size_t kLevels = 4;

constexpr std::array<absl::string_view, kLevels> kLevelNames = {"error", "warning", "info",
                                                                "debug"};
constexpr std::array<spdlog::level::level_enum, kLevels> kSinkLevels = {
    spdlog::level::err, spdlog::level::warn, spdlog::level::info, spdlog::level::debug};

std::atomic<int> level_max{static_cast<int>(LogLevel::kInfo)};
std::atomic<bool> addresses_are_redacted{false};
std::array<std::atomic<uint64_t>, kLevels> counts{};

// The name as a JSON member with its comma. Never freed: threads may log until the very end.
std::string& ServiceMember() {
  static std::string* const member = new std::string;
  return *member;
}

// Writes each line at once, in one piece. Never freed, as above.
spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    auto* const made =
        new spdlog::logger("turnpike", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

}  // namespace

LogField::LogField(absl::string_view name, absl::string_view value)
    : name_(name), kind_(Kind::kText), text_(value), signed_(0) {}
LogField::LogField(absl::string_view name, std::string_view value)
    : LogField(name, absl::string_view(value.data(), value.size())) {}
LogField::LogField(absl::string_view name, const std::string& value)
    : LogField(name, absl::string_view(value)) {}
LogField::LogField(absl::string_view name, const char* value)
    : LogField(name, absl::string_view(value)) {}
LogField::LogField(absl::string_view name, int64_t value)
    : name_(name), kind_(Kind::kSigned), signed_(value) {}
LogField::LogField(absl::string_view name, uint64_t value)
    : name_(name), kind_(Kind::kUnsigned), unsigned_(value) {}
LogField::LogField(absl::string_view name, int value)
    : LogField(name, static_cast<int64_t>(value)) {}
LogField::LogField(absl::string_view name, unsigned value)
    : LogField(name, static_cast<uint64_t>(value)) {}
LogField::LogField(absl::string_view name, double value)
    : name_(name), kind_(Kind::kDouble), double_(value) {}
LogField::LogField(absl::string_view name, bool value)
    : name_(name), kind_(Kind::kBool), bool_(value) {}

void LogField::AppendTo(std::string& out) const {
  switch (kind_) {
    case Kind::kText:
      AppendJsonString(text_, kTextBytesMax, out);
      return;
    case Kind::kSigned:
      absl::StrAppend(&out, signed_);
      return;
    case Kind::kUnsigned:
      absl::StrAppend(&out, unsigned_);
      return;
    case Kind::kDouble:
      // JSON has no infinities and no NaN.
      absl::StrAppend(&out, std::isfinite(double_) ? absl::StrCat(double_) : "null");
      return;
    case Kind::kBool:
      absl::StrAppend(&out, bool_ ? "true" : "false");
      return;
  }
}

bool IsLogged(LogLevel level) {
  return static_cast<int>(level) <= level_max.load(std::memory_order_relaxed);
}

void SetLogLevel(LogLevel level) {
  level_max.store(static_cast<int>(level), std::memory_order_relaxed);
}

void SetLogService(absl::string_view service) {
  std::string member = ",\"service\":";
  AppendJsonString(service, kTextBytesMax, member);
  ServiceMember() = std::move(member);
}

std::string FormatLogLine(LogLevel level, absl::string_view text,
                          std::initializer_list<LogField> fields, absl::Time time) {
  std::string line = "{\"time\":\"";
  absl::StrAppend(&line, absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()),
                  "\",\"level\":\"", kLevelNames[static_cast<size_t>(level)], "\"", ServiceMember(),
                  ",\"text\":");
  AppendJsonString(text, kTextBytesMax, line);
  for (const LogField& field : fields) {
    line += ',';
    AppendJsonString(field.name(), kTextBytesMax, line);
    line += ':';
    field.AppendTo(line);
  }
  line += '}';
  return line;
}

void WriteLog(LogLevel level, absl::string_view text, std::initializer_list<LogField> fields) {
  const std::string line = FormatLogLine(level, text, fields, absl::Now());
  counts[static_cast<size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  Logger().log(kSinkLevels[static_cast<size_t>(level)],
               spdlog::string_view_t(line.data(), line.size()));
}

uint64_t LoggedCount(LogLevel level) {
  return counts[static_cast<size_t>(level)].load(std::memory_order_relaxed);
}

void SetAddressRedaction(bool redact) {
  addresses_are_redacted.store(redact, std::memory_order_relaxed);
}

std::string LogAddress(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (!addresses_are_redacted.load(std::memory_order_relaxed) || address.empty()) {
    return std::string(address);
  }
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const uint8_t*>(address.data()), address.size(), digest.data());
  const absl::string_view domain = at == absl::string_view::npos ? "" : address.substr(at);
  return absl::StrCat(
      "#", absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), 4}), domain);
}

}  // namespace turnpike::observe
