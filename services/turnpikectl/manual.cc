#include "services/turnpikectl/manual.h"

#include "absl/strings/str_cat.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/core/command.h"

namespace turnpike::ctl {
namespace {

constexpr char kIntroduction[] = R"(# turnpikectl

The operator's command line. It asks the services by gRPC; it needs no root and no file of theirs.
This page is made of what `turnpikectl COMMAND --help` says
(`bazel run //services/turnpikectl:manual_main > docs/turnpikectl.md`); a test compares the two.

```
turnpikectl gateways                                  # what is held for whom, who asked last
turnpikectl gateway release customer.example          # as its ETRN would
turnpikectl messages --recipient @example.org --state deferred
turnpikectl message describe 4711                     # why it waits
turnpikectl messages --sender @spam.example -o name | turnpikectl message delete - --yes
turnpikectl explain rcpt bob@customer.example --client 198.51.100.7
turnpikectl account hash > /etc/turnpike/ann.password
source <(turnpikectl completion bash)
```

## Where the services are

It reads the services' configuration (`--config`, else `$TURNPIKE_CONFIG`, else
`/etc/turnpike/turnpike.yaml`) and uses `services.*.target`; their secrets need not be readable. One
service at a time is named by a flag or by an environment variable (`--spool-store HOST:PORT`,
`TURNPIKE_SPOOL_STORE`), which is all that is needed where there is no configuration. Several
frontends or delivery workers are named with commas; `sessions` and `destinations` ask each.

## Answers

Tables are for people: they show ages and sizes in round figures, cut what is long (`-o wide` shows
it all, and more columns), and make visible whatever could steer a terminal. Programs use `-o json`,
`-o jsonl` (an object a line, as they come), `-o yaml`, or `-o name` (one name a line, which other
commands take on standard input). There every field of the gRPC messages is, by its name in
[protos/](../protos), with times as RFC 3339 in UTC and ids as texts (many readers round numbers
above 2^53); fields are only added, never renamed, so ignore those that you do not know.

Errors go to standard error, on one line: what happened, where, what to do.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | an error; nothing was done |
| 2 | the command line is wrong, or what it says is |
| 3 | not found |
| 4 | partly done: some of what was asked failed, and standard error says what |
| 5 | a service is not there or cannot do it now: try again |

What cannot be undone (`delete`, `return`) asks when it is for more than one delivery; without a
terminal it refuses unless `--yes` is said. `--dry-run` says how many there are.
)";

}  // namespace

std::string MakeManual() {
  std::string out = absl::StrCat(kIntroduction, "\n## Commands\n\n```\n",
                                 GroupHelpText(AllCommands(), GlobalFlags(), ""), "```\n");
  for (const Command& command : AllCommands()) {
    absl::StrAppend(&out, "\n### ", command.path, "\n\n```\n", HelpText(command), "```\n");
  }
  return out;
}

}  // namespace turnpike::ctl
