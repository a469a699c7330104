// The commands as data: the parser, the help, the manual and the shells' completion read the same
// descriptions.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMMAND_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMMAND_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::ctl {

class Context;

// What was given on a command line, by the names of arguments (`DOMAIN`) and flags (`--limit`).
class Invocation {
 public:
  // Each further value of a name is one more of a list.
  void Add(const std::string& name, std::string value) {
    values_[name].push_back(std::move(value));
  }

  bool Has(const std::string& name) const { return values_.count(name) > 0; }
  // The first value; empty when there is none.
  std::string Get(const std::string& name) const;
  std::vector<std::string> All(const std::string& name) const;

  // A whole number within the bounds, or the default. INVALID_ARGUMENT names the flag.
  absl::StatusOr<int64_t> Number(const std::string& name, int64_t otherwise, int64_t min,
                                 int64_t max) const;
  // `90s`, `2h`; more than nothing. INVALID_ARGUMENT names the flag.
  absl::StatusOr<absl::Duration> Duration(const std::string& name, absl::Duration otherwise) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

struct Argument {
  std::string name;  // `DOMAIN`
  std::string help;
  bool is_many = false;  // one or more
  bool is_optional = false;
  std::vector<std::string> choices = {};  // the only values; empty: any
  std::string completed_by = {};          // the path of a command that lists the values
};

struct Flag {
  std::string name;   // `--limit`
  std::string value;  // `N`; empty: a switch
  std::string help;
  std::vector<std::string> choices = {};
  std::string completed_by = {};
  std::string short_name = {};  // `-o`
};

struct Command {
  std::string path;     // `gateway release`
  std::string summary;  // half a sentence for the list of commands: `release held mail`
  std::string details;  // sentences for the command's own help
  std::vector<Argument> arguments = {};
  std::vector<Flag> flags = {};
  std::string alias = {};  // a second path: `gateways` of `gateway list`
  // Errors: NOT_FOUND, UNAVAILABLE and so on as services say them; INVALID_ARGUMENT is the user's
  // mistake. What was done in part is said to the context.
  std::function<absl::Status(const Invocation&, Context&)> run = {};
};

// Words separated by blanks.
std::vector<std::string> PathWords(absl::string_view path);

// `usage: turnpikectl gateway release DOMAIN [--to ROUTE]`, what it does, arguments and flags.
std::string HelpText(const Command& command);

// The commands that begin with `group` (empty: all), and the flags that all have.
std::string GroupHelpText(const std::vector<Command>& commands,
                          const std::vector<Flag>& global_flags, const std::string& group);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_COMMAND_H_
