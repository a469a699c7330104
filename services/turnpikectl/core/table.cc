#include "services/turnpikectl/core/table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

constexpr size_t kCellWidthMax = 60;
constexpr char kGap[] = "  ";

bool IsFigure(Format format) {
  switch (format) {
    case Format::kBytes:
    case Format::kLimit:
    case Format::kBytesLimit:
    case Format::kAge:
    case Format::kRoughAge:
    case Format::kUntil:
    case Format::kCount:
      return true;
    case Format::kText:
    case Format::kTime:
    case Format::kRoughTime:
    case Format::kReply:
    case Format::kAddress:
      return false;
  }
  return false;
}

std::string TimeCell(absl::Time time, Format format, absl::Time now) {
  switch (format) {
    case Format::kAge:
      return AgeText(now - time);
    case Format::kRoughAge:
      return RoughAgeText(now - time);
    case Format::kUntil:
      return time <= now ? "now" : AgeText(time - now);
    case Format::kTime:
      return absl::StrCat(TimeText(time), " (",
                          time <= now ? absl::StrCat(AgeText(now - time), " ago")
                                      : absl::StrCat("in ", AgeText(time - now)),
                          ")");
    case Format::kRoughTime:
      return absl::StrCat(TimeText(time), " (", RoughAgeText(now - time), " ago)");
    default:
      return TimeText(time);
  }
}

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

std::string Padded(const std::string& text, size_t width, bool to_the_right) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return to_the_right ? blanks + text : text + blanks;
}

// `cells[0]` are the heads.
std::string Align(const std::vector<std::vector<std::string>>& cells,
                  const std::vector<bool>& is_figure, absl::string_view indent) {
  std::vector<size_t> widths(is_figure.size(), 0);
  for (const std::vector<std::string>& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string out;
  for (const std::vector<std::string>& row : cells) {
    std::string line(indent);
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, i == 0 ? "" : kGap, Padded(row[i], widths[i], is_figure[i]));
    }
    line.resize(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string RenderIndented(const std::vector<Column>& columns, const Value::List& rows,
                           bool is_wide, absl::string_view indent, absl::Time now) {
  std::vector<const Column*> shown;
  for (const Column& column : columns) {
    if (is_wide || !column.is_wide) shown.push_back(&column);
  }
  std::vector<std::vector<std::string>> cells(1);
  std::vector<bool> is_figure;
  for (const Column* column : shown) {
    cells.front().push_back(column->title);
    const bool has_number = std::any_of(rows.begin(), rows.end(), [column](const Value& row) {
      return !row.At(column->path).digits().empty();
    });
    is_figure.push_back(IsFigure(column->format) || has_number);
  }
  for (const Value& row : rows) {
    std::vector<std::string>& line = cells.emplace_back();
    for (const Column* column : shown) {
      std::string cell = FormatCell(row.At(column->path), column->format, now);
      line.push_back(is_wide ? std::move(cell) : CutTo(kCellWidthMax, std::move(cell)));
    }
  }
  return Align(cells, is_figure, indent);
}

}  // namespace

std::string FormatCell(const Value& value, Format format, absl::Time now) {
  if (format == Format::kCount) {
    return value.list() == nullptr ? "-" : absl::StrCat(value.list()->size());
  }
  if (value.list() != nullptr) {
    return OrDash(absl::StrJoin(*value.list(), ", ", [&](std::string* out, const Value& element) {
      absl::StrAppend(out, FormatCell(element, format, now));
    }));
  }
  if (format == Format::kReply) return OrDash(ReplyText(value));
  if (value.time() != nullptr) return TimeCell(*value.time(), format, now);
  if (value.yes() != nullptr) return *value.yes() ? "yes" : "no";
  if (value.text() != nullptr) {
    const std::string text = Printable(*value.text());
    return format == Format::kAddress ? absl::StrCat("<", text, ">") : OrDash(text);
  }
  if (value.is_nothing() || value.object() != nullptr) return "-";
  const bool is_limit = format == Format::kLimit || format == Format::kBytesLimit;
  if (is_limit && value.number() == 0) return "no limit";
  const bool is_bytes = format == Format::kBytes || format == Format::kBytesLimit;
  return is_bytes ? BytesText(value.number()) : value.digits();
}

std::string RenderTable(const std::vector<Column>& columns, const Value::List& rows, bool is_wide,
                        absl::Time now) {
  return RenderIndented(columns, rows, is_wide, "", now);
}

std::string RenderSheet(const View& view, const Value& value, absl::Time now) {
  const std::vector<Column>& fields = view.fields.empty() ? view.columns : view.fields;
  size_t width = 0;
  for (const Column& field : fields) width = std::max(width, Width(field.title));
  std::string out;
  for (const Column& field : fields) {
    absl::StrAppend(&out, Padded(absl::StrCat(field.title, ":"), width + 1, false), kGap,
                    FormatCell(value.At(field.path), field.format, now), "\n");
  }
  for (const Section& section : view.sections) {
    const Value rows = value.At(section.path);
    if (rows.list() == nullptr || rows.list()->empty()) continue;
    absl::StrAppend(&out, section.title, ":\n",
                    RenderIndented(section.columns, *rows.list(), true, kGap, now));
  }
  return out;
}

}  // namespace turnpike::ctl
