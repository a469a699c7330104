// Values in words and figures for people, safe to show on a terminal whatever they hold.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_TEXT_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/turnpikectl/core/value.h"

namespace turnpike::ctl {

// Text with everything that could steer a terminal or disguise other text made visible: control
// characters as `\x1b`, a line end as `\n`, signs that turn the direction of writing and octets
// that are no UTF-8 as `\u{202e}` and `\xff`.
std::string Printable(absl::string_view text);

// The same for a text of many lines: line ends (CRLF too) and tabs stay.
std::string PrintableLines(absl::string_view text);

// Code points of a text that is Printable.
size_t Width(absl::string_view text);
// At most `width` of them, the last an ellipsis when something is missing.
std::string CutTo(size_t width, std::string text);

// Two units at most, rounded to the nearest of the last one: `12s`, `5m`, `3h12m`, `4d6h`. Less
// than nothing is `0s`.
std::string AgeText(absl::Duration age);
// How long ago something was whose time was rounded down to the minute: `<1m`, then whole minutes
// at least.
std::string RoughAgeText(absl::Duration age);
// What a release did: `12 released`, `0 released, 3 released before are due again`
std::string ReleaseText(int64_t released, int64_t pending);
// `512`, `12.3KiB`, `1.0GiB`
std::string BytesText(int64_t bytes);
// [RFC3339 5.6] in UTC: `2026-11-22T14:05:00.123Z`
std::string TimeText(absl::Time time);

// A reply on one line: `450 4.2.1 Mailbox busy`. Nothing: an empty text.
std::string ReplyText(const Value& reply);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_TEXT_H_
