#include "services/turnpikectl/parser.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/config/suggestion.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

// One command's path, or the path to several.
struct Node {
  CLI::App* app = nullptr;
  const Command* command = nullptr;
};

// An option of CLI11, and where it puts what it has read. Texts, because everything that is not a
// list in CLI11 keeps brackets as they are: `[mx.example.org]`.
struct Slot {
  std::string name;
  const std::vector<std::string>* choices = nullptr;
  CLI::Option* option = nullptr;
  std::string text;
  std::vector<std::string> texts;
  bool is_many = false;
  bool is_switch = false;
  bool is_set = false;  // of a switch
};

class Line {
 public:
  Line(const std::vector<Command>& commands, const std::vector<Flag>& global_flags)
      : commands_(commands), global_flags_(global_flags), root_("", "turnpikectl") {
    nodes_[""] = {&root_, nullptr};
    root_.fallthrough();
    root_.allow_extras();
    for (const Flag& flag : global_flags) AddFlag(root_, flag);
    for (const Command& command : commands) {
      AddCommand(command, command.path);
      if (!command.alias.empty()) AddCommand(command, command.alias);
    }
  }

  absl::StatusOr<ParsedLine> Parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    try {
      root_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
      return ParsedLine{.help = Help()};
    } catch (const CLI::ParseError& error) {
      return Wrong(error.what());
    }
    const Node& node = nodes_[Path()];
    const std::vector<std::string> extras = root_.remaining(/*recurse=*/true);
    if (!extras.empty()) return Unexpected(node, extras.front());
    if (node.command == nullptr) return Wrong("a command is missing");
    ParsedLine line = {.command = node.command};
    for (const Slot& slot : slots_) {
      absl::Status status = Read(slot, line.invocation);
      if (!status.ok()) return status;
    }
    return line;
  }

 private:
  void AddCommand(const Command& command, const std::string& whole_path) {
    std::string path;
    for (const std::string& word : PathWords(whole_path)) {
      CLI::App& parent = *nodes_[path].app;
      absl::StrAppend(&path, path.empty() ? "" : " ", word);
      Node& node = nodes_[path];
      if (node.app == nullptr) node.app = parent.add_subcommand(word);
    }
    Node& node = nodes_[path];
    node.command = &command;
    for (const Argument& argument : command.arguments) AddArgument(*node.app, argument);
    for (const Flag& flag : command.flags) AddFlag(*node.app, flag);
  }

  void AddArgument(CLI::App& app, const Argument& argument) {
    Slot& slot = slots_.emplace_back();
    slot.name = argument.name;
    slot.choices = &argument.choices;
    slot.is_many = argument.is_many;
    slot.option = argument.is_many ? app.add_option(argument.name, slot.texts)
                                   : app.add_option(argument.name, slot.text);
    slot.option->required(!argument.is_optional);
  }

  void AddFlag(CLI::App& app, const Flag& flag) {
    Slot& slot = slots_.emplace_back();
    slot.name = flag.name;
    slot.choices = &flag.choices;
    slot.is_switch = flag.value.empty();
    const std::string names =
        absl::StrCat(flag.short_name, flag.short_name.empty() ? "" : ",", flag.name);
    slot.option =
        slot.is_switch ? app.add_flag(names, slot.is_set) : app.add_option(names, slot.text);
  }

  absl::Status Read(const Slot& slot, Invocation& invocation) const {
    if (slot.option->count() == 0) return absl::OkStatus();
    if (slot.is_switch) {
      if (slot.is_set) invocation.Add(slot.name, "");
      return absl::OkStatus();
    }
    const std::vector<std::string> texts =
        slot.is_many ? slot.texts : std::vector<std::string>{slot.text};
    for (const std::string& text : texts) {
      const bool is_allowed =
          slot.choices->empty() ||
          std::find(slot.choices->begin(), slot.choices->end(), text) != slot.choices->end();
      if (!is_allowed) {
        return Wrong(absl::StrCat(slot.name, " must be ", absl::StrJoin(*slot.choices, ", "),
                                  "; not `", Printable(text), "`"));
      }
      invocation.Add(slot.name, text);
    }
    return absl::OkStatus();
  }

  // As far as CLI11 has recognised subcommands.
  std::string Path() const {
    std::string path;
    const CLI::App* app = &root_;
    while (!app->get_subcommands().empty()) {
      app = app->get_subcommands().front();
      absl::StrAppend(&path, path.empty() ? "" : " ", app->get_name());
    }
    return path;
  }

  std::string Help() {
    const std::string path = Path();
    const Node& node = nodes_[path];
    return node.command == nullptr ? GroupHelpText(commands_, global_flags_, path)
                                   : HelpText(*node.command);
  }

  absl::Status Wrong(absl::string_view what) const {
    const std::string path = Path();
    return absl::InvalidArgumentError(absl::StrCat(path, path.empty() ? "" : ": ", Printable(what),
                                                   absl::EndsWith(what, "?") ? " See" : "; see",
                                                   " turnpikectl ", path, path.empty() ? "" : " ",
                                                   "--help"));
  }

  absl::Status Unexpected(const Node& node, const std::string& word) const {
    const bool is_flag = word.size() > 1 && word.front() == '-';
    std::vector<std::string> known;
    if (is_flag) {
      for (const Flag& flag : global_flags_) known.push_back(flag.name);
      if (node.command != nullptr) {
        for (const Flag& flag : node.command->flags) known.push_back(flag.name);
      }
    } else if (node.command == nullptr) {
      for (const CLI::App* app : node.app->get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(app->get_name());
      }
    }
    const char* kind = is_flag ? "flag" : node.command == nullptr ? "command" : "argument";
    return Wrong(absl::StrCat("unknown ", kind, " `", word, "`", Suggestion(word, known)));
  }

  static std::string Suggestion(const std::string& word, const std::vector<std::string>& known) {
    constexpr size_t kDistanceMax = 2;
    size_t best = kDistanceMax + 1;
    std::string nearest;
    for (const std::string& candidate : known) {
      const size_t distance = config::EditDistance(word, candidate);
      if (distance >= best) continue;
      best = distance;
      nearest = candidate;
    }
    return nearest.empty() ? "" : absl::StrCat("; did you mean `", nearest, "`?");
  }

  const std::vector<Command>& commands_;
  const std::vector<Flag>& global_flags_;
  CLI::App root_;
  std::map<std::string, Node> nodes_;  // by path
  std::deque<Slot> slots_;             // CLI11 keeps references
};

}  // namespace

absl::StatusOr<ParsedLine> ParseLine(const std::vector<Command>& commands,
                                     const std::vector<Flag>& global_flags,
                                     std::vector<std::string> words) {
  return Line(commands, global_flags).Parse(std::move(words));
}

}  // namespace turnpike::ctl
