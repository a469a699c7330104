// Values for people: tables of many, sheets about one.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_TABLE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_TABLE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/turnpikectl/core/value.h"

namespace turnpike::ctl {

enum class Format {
  kText,        // as it is; lists joined by commas; nothing as `-`
  kBytes,       // `12.3KiB`
  kLimit,       // a number; 0 is `no limit`
  kBytesLimit,  // `12.3KiB`; 0 is `no limit`
  kAge,         // a moment, as how long ago: `3h12m`
  kRoughAge,    // the same of a moment that was rounded down to the minute: `<1m`, `3h12m`
  kUntil,       // a moment, as how long until then: `5m`; `now`
  kTime,        // a moment and how far it is: `2026-11-22T14:05:00Z (3h12m ago)`
  kRoughTime,   // the same of a moment that was rounded down to the minute
  kReply,       // an SMTP reply: `450 4.2.1 Mailbox busy`
  kAddress,     // a mail address, or a list: `<ann@example.org>`; the null sender is `<>`
  kCount,       // how many elements a list has
};

struct Column {
  const char* title;  // `OLDEST`; in a sheet `Oldest`
  const char* path;   // Value::At
  Format format = Format::kText;
  bool is_wide = false;  // only where there is room (-o wide); always in a sheet
};

// A table within a sheet; left out when there is nothing in it.
struct Section {
  const char* title;
  const char* path;  // of a list
  std::vector<Column> columns;
};

// How a kind of thing is shown.
struct View {
  const char* name;             // path of what names one: `-o name`
  std::vector<Column> columns;  // a line for each
  std::vector<Column> fields;   // the sheet about one; empty: the columns
  std::vector<Section> sections;
};

// A cell as it is shown; `-` for nothing.
std::string FormatCell(const Value& value, Format format, absl::Time now);

// Heads and rows with aligned columns, figures to the right. Cells of more than 60 characters are
// cut unless `is_wide`. Without rows only the heads.
std::string RenderTable(const std::vector<Column>& columns, const Value::List& rows, bool is_wide,
                        absl::Time now);

// A line for each field, then the sections.
std::string RenderSheet(const View& view, const Value& value, absl::Time now);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_TABLE_H_
