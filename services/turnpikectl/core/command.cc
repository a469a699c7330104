#include "services/turnpikectl/core/command.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/config/value.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

constexpr size_t kLineWidth = 100;

struct Entry {
  std::string term;
  std::string text;
};

// Breaks `text` into lines that fit beside a margin of `indent` blanks.
std::string Wrap(absl::string_view text, size_t indent) {
  std::string out;
  size_t column = indent;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (column > indent && column + 1 + Width(word) > kLineWidth) {
      absl::StrAppend(&out, "\n", std::string(indent, ' '));
      column = indent;
    }
    if (column > indent) {
      out += ' ';
      ++column;
    }
    absl::StrAppend(&out, word);
    column += Width(word);
  }
  return out;
}

std::string List(absl::string_view title, const std::vector<Entry>& entries) {
  if (entries.empty()) return "";
  size_t width = 0;
  for (const Entry& entry : entries) width = std::max(width, entry.term.size());
  std::string out = absl::StrCat("\n", title, ":\n");
  for (const Entry& entry : entries) {
    absl::StrAppend(&out, "  ", entry.term, std::string(width - entry.term.size() + 2, ' '),
                    Wrap(entry.text, width + 4), "\n");
  }
  return out;
}

std::string WithChoices(const std::string& help, const std::vector<std::string>& choices) {
  if (choices.empty()) return help;
  return absl::StrCat(help, ": ", absl::StrJoin(choices, ", "));
}

std::string FlagTerm(const Flag& flag) {
  return absl::StrCat(flag.short_name.empty() ? "" : absl::StrCat(flag.short_name, ", "), flag.name,
                      flag.value.empty() ? "" : " ", flag.value);
}

std::vector<Entry> FlagEntries(const std::vector<Flag>& flags) {
  std::vector<Entry> entries;
  for (const Flag& flag : flags) {
    entries.push_back({FlagTerm(flag), WithChoices(flag.help, flag.choices)});
  }
  return entries;
}

std::string UsageLine(const Command& command) {
  std::string line = absl::StrCat("usage: turnpikectl ", command.path);
  for (const Argument& argument : command.arguments) {
    const std::string name = absl::StrCat(argument.name, argument.is_many ? "..." : "");
    absl::StrAppend(&line, " ", argument.is_optional ? absl::StrCat("[", name, "]") : name);
  }
  for (const Flag& flag : command.flags) {
    absl::StrAppend(&line, " [", flag.name, flag.value.empty() ? "" : " ", flag.value, "]");
  }
  return Wrap(line, 2) + "\n";
}

bool IsInGroup(const Command& command, const std::string& group) {
  return group.empty() || command.path == group || absl::StartsWith(command.path, group + " ");
}

}  // namespace

std::string Invocation::Get(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second.front();
}

std::vector<std::string> Invocation::All(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

absl::StatusOr<int64_t> Invocation::Number(const std::string& name, int64_t otherwise, int64_t min,
                                           int64_t max) const {
  if (!Has(name)) return otherwise;
  int64_t number = 0;
  if (!absl::SimpleAtoi(Get(name), &number) || number < min || number > max) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": must be a number, ", min, " to ", max,
                                                   ", not `", Printable(Get(name)), "`"));
  }
  return number;
}

absl::StatusOr<absl::Duration> Invocation::Duration(const std::string& name,
                                                    absl::Duration otherwise) const {
  if (!Has(name)) return otherwise;
  const absl::StatusOr<absl::Duration> duration = config::ParseDuration(Get(name));
  if (!duration.ok() || *duration <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": must be a time such as `90s`, `5m`, `4h` or `5d`, not `",
                     Printable(Get(name)), "`"));
  }
  return *duration;
}

std::vector<std::string> PathWords(absl::string_view path) {
  return absl::StrSplit(path, ' ', absl::SkipEmpty());
}

std::string HelpText(const Command& command) {
  std::string out = absl::StrCat(UsageLine(command), "\n", Wrap(command.details, 0), "\n");
  if (!command.alias.empty()) {
    absl::StrAppend(&out, "The same: turnpikectl ", command.alias, "\n");
  }
  std::vector<Entry> arguments;
  for (const Argument& argument : command.arguments) {
    arguments.push_back({argument.name, WithChoices(argument.help, argument.choices)});
  }
  absl::StrAppend(&out, List("Arguments", arguments), List("Flags", FlagEntries(command.flags)));
  return out;
}

std::string GroupHelpText(const std::vector<Command>& commands,
                          const std::vector<Flag>& global_flags, const std::string& group) {
  std::vector<Entry> entries;
  for (const Command& command : commands) {
    if (!IsInGroup(command, group)) continue;
    const std::string also = command.alias.empty() ? "" : absl::StrCat(" (", command.alias, ")");
    entries.push_back({command.path + also, command.summary});
  }
  return absl::StrCat("usage: turnpikectl ", group, group.empty() ? "" : " ", "COMMAND ...\n",
                      List("Commands", entries),
                      List("Flags of all commands", FlagEntries(global_flags)),
                      "\n`turnpikectl COMMAND --help` says more about one.\n");
}

}  // namespace turnpike::ctl
