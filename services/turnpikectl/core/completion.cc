#include "services/turnpikectl/core/completion.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace turnpike::ctl {
namespace {

constexpr char kBash[] = R"(# turnpikectl completion for bash: source <(turnpikectl completion bash)
_turnpikectl() {
  local IFS=$'\n'
  COMPREPLY=($(turnpikectl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _turnpikectl turnpikectl
)";

constexpr char kZsh[] = R"(#compdef turnpikectl
# turnpikectl completion for zsh: source <(turnpikectl completion zsh)
_turnpikectl() {
  local line help
  local -a candidates
  while IFS=$'\t' read -r line help; do
    candidates+=("${line//:/\\:}:$help")
  done < <(turnpikectl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( $#candidates )); then
    _describe turnpikectl candidates
  else
    _files
  fi
}
if [[ $funcstack[1] == _turnpikectl ]]; then
  _turnpikectl "$@"
else
  compdef _turnpikectl turnpikectl
fi
)";

constexpr char kFish[] = R"(# turnpikectl completion for fish: turnpikectl completion fish | source
function __turnpikectl_candidates
    set -l words (commandline -opc)
    set -l found (turnpikectl __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c turnpikectl -f -a '(__turnpikectl_candidates)'
)";

const Flag* FindFlag(const std::vector<Flag>& flags, absl::string_view word) {
  for (const Flag& flag : flags) {
    if (word == flag.name || (!flag.short_name.empty() && word == flag.short_name)) return &flag;
  }
  return nullptr;
}

// Reads the words before the cursor.
class Position {
 public:
  Position(const std::vector<Command>& commands, const std::vector<Flag>& global_flags,
           const std::vector<std::string>& words)
      : commands_(commands), global_flags_(global_flags) {
    for (size_t i = 0; i + 1 < words.size(); ++i) Pass(words[i]);
  }

  const Command* command() const { return command_; }
  const std::string& path() const { return path_; }
  const Flag* open_flag() const { return open_flag_; }  // its value is due
  size_t arguments() const { return arguments_; }       // so many were given

 private:
  void Pass(const std::string& word) {
    if (open_flag_ != nullptr) {
      open_flag_ = nullptr;
    } else if (word.size() > 1 && word.front() == '-') {
      const Flag* flag = FindFlag(global_flags_, word);
      if (flag == nullptr && command_ != nullptr) flag = FindFlag(command_->flags, word);
      if (flag != nullptr && !flag->value.empty()) open_flag_ = flag;
    } else if (command_ != nullptr) {
      ++arguments_;
    } else {
      path_ += (path_.empty() ? "" : " ") + word;
      const auto found =
          std::find_if(commands_.begin(), commands_.end(), [this](const Command& command) {
            return command.path == path_ || command.alias == path_;
          });
      if (found != commands_.end()) command_ = &*found;
    }
  }

  const std::vector<Command>& commands_;
  const std::vector<Flag>& global_flags_;
  const Command* command_ = nullptr;
  const Flag* open_flag_ = nullptr;
  std::string path_;
  size_t arguments_ = 0;
};

std::vector<Candidate> Values(const std::vector<std::string>& choices,
                              const std::string& completed_by, const NameSource& names) {
  std::vector<Candidate> candidates;
  for (const std::string& choice : choices) candidates.push_back({choice, ""});
  if (!completed_by.empty()) {
    for (const std::string& name : names(completed_by)) candidates.push_back({name, ""});
  }
  return candidates;
}

// The next word of each command's path after `path`.
std::vector<Candidate> NextWords(const std::vector<Command>& commands, const std::string& path) {
  std::vector<Candidate> candidates;
  std::set<std::string> seen;
  for (const Command& command : commands) {
    for (const std::string& whole : {command.path, command.alias}) {
      absl::string_view rest = whole;
      if (whole.empty() || (!path.empty() && !absl::ConsumePrefix(&rest, path + " "))) continue;
      const std::string word = PathWords(rest).front();
      const bool is_last = word == rest;
      if (seen.insert(word).second) candidates.push_back({word, is_last ? command.summary : ""});
    }
  }
  return candidates;
}

std::vector<Candidate> Flags(const std::vector<Flag>& flags) {
  std::vector<Candidate> candidates;
  for (const Flag& flag : flags) candidates.push_back({flag.name, flag.help});
  return candidates;
}

std::vector<Candidate> All(const std::vector<Command>& commands,
                           const std::vector<Flag>& global_flags, absl::string_view word,
                           const Position& position, const NameSource& names) {
  if (const Flag* flag = position.open_flag(); flag != nullptr) {
    return Values(flag->choices, flag->completed_by, names);
  }
  const Command* command = position.command();
  if (absl::StartsWith(word, "-")) {
    std::vector<Candidate> candidates = Flags(global_flags);
    if (command != nullptr) {
      const std::vector<Candidate> own = Flags(command->flags);
      candidates.insert(candidates.begin(), own.begin(), own.end());
    }
    candidates.push_back({"--help", "say what there is"});
    return candidates;
  }
  if (command == nullptr) return NextWords(commands, position.path());
  if (command->arguments.empty()) return {};
  const size_t last = command->arguments.size() - 1;
  if (position.arguments() > last && !command->arguments[last].is_many) return {};
  const Argument& argument = command->arguments[std::min(position.arguments(), last)];
  return Values(argument.choices, argument.completed_by, names);
}

}  // namespace

std::vector<Candidate> Complete(const std::vector<Command>& commands,
                                const std::vector<Flag>& global_flags,
                                const std::vector<std::string>& words, const NameSource& names) {
  const std::string word = words.empty() ? "" : words.back();
  std::vector<Candidate> found;
  for (Candidate& candidate :
       All(commands, global_flags, word, Position(commands, global_flags, words), names)) {
    if (absl::StartsWith(candidate.word, word)) found.push_back(std::move(candidate));
  }
  return found;
}

std::string CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

}  // namespace turnpike::ctl
