// Structured logs: one JSON object a line on standard error.
//
//   TURNPIKE_LOG(kInfo, "message stored",
//                {{"session", session_id}, {"message", id.ToString()}, {"bytes", size}});
//
// Fields are evaluated only when the level is on; they may be left out. Text is escaped (octets
// that are no UTF-8 become U+FFFD), cut at 1,024 octets a field, and never carries secrets or
// content.
// error: somebody must act; warning: we degraded; info: one line a session or delivery; debug:
// dialogue. Thread-safe.
#ifndef TURNPIKE_SERVICES_COMMON_OBSERVE_LOG_H_
#define TURNPIKE_SERVICES_COMMON_OBSERVE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::observe {

enum class LogLevel { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

// A name and a value; holds views, so it lives only for the logging statement.
class LogField {
 public:
  LogField(absl::string_view name, absl::string_view value);
  LogField(absl::string_view name, std::string_view value);
  LogField(absl::string_view name, const std::string& value);
  LogField(absl::string_view name, const char* value);
  LogField(absl::string_view name, int64_t value);
  LogField(absl::string_view name, uint64_t value);
  LogField(absl::string_view name, int value);
  LogField(absl::string_view name, unsigned value);
  LogField(absl::string_view name, double value);
  LogField(absl::string_view name, bool value);

  absl::string_view name() const { return name_; }
  // Appends the value as JSON.
  void AppendTo(std::string& out) const;

 private:
  enum class Kind { kText, kSigned, kUnsigned, kDouble, kBool };
  absl::string_view name_;
  Kind kind_;
  absl::string_view text_;
  union {
    int64_t signed_;
    uint64_t unsigned_;
    double double_;
    bool bool_;
  };
};

bool IsLogged(LogLevel level);
void SetLogLevel(LogLevel level);  // kInfo until then
// Names the process in every line; call once, before other threads log.
void SetLogService(absl::string_view service);

// Writes the line, whatever the level is set to.
void WriteLog(LogLevel level, absl::string_view text, std::initializer_list<LogField> fields = {});

// The line without its end; what WriteLog writes at `time`.
std::string FormatLogLine(LogLevel level, absl::string_view text,
                          std::initializer_list<LogField> fields, absl::Time time);

// Lines written so far at this level (turnpike_log_messages_total).
uint64_t LoggedCount(LogLevel level);

// With `redact`, LogAddress hides local parts (log.redact_addresses).
void SetAddressRedaction(bool redact);
// A mail address as it may stand in a log line: itself, or `#1f3870be@example.org` with a short
// hash that is the same in all services, so that lines of one mailbox can still be found.
std::string LogAddress(absl::string_view address);

}  // namespace turnpike::observe

// The commas inside the braces of the fields split macro arguments; __VA_ARGS__ joins them again.
#define TURNPIKE_LOG(level, text, ...)                                         \
  do {                                                                         \
    if (::turnpike::observe::IsLogged(::turnpike::observe::LogLevel::level)) { \
      ::turnpike::observe::WriteLog(::turnpike::observe::LogLevel::level,      \
                                    text __VA_OPT__(, ) __VA_ARGS__);          \
    }                                                                          \
  } while (false)

#endif  // TURNPIKE_SERVICES_COMMON_OBSERVE_LOG_H_
