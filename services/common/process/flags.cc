#include "services/common/process/flags.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace turnpike::process {
namespace {

constexpr uint32_t kShardMax = 255;

// The only service of which each process has a number.
bool HasShards(const std::string& service) { return service == "spool-store"; }

absl::StatusOr<uint32_t> ParseShard(absl::string_view text) {
  uint32_t shard;
  if (!absl::SimpleAtoi(text, &shard) || shard > kShardMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shard: must be a number from 0 to ", kShardMax, ", not ", text));
  }
  return shard;
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(const std::string& service, int argc, const char* const* argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--check") {
      flags.check = true;
    } else if (argument == "--version") {
      flags.version = true;
    } else if (argument == "--help" || argument == "-h") {
      flags.help = true;
    } else if (absl::ConsumePrefix(&argument, "--config=")) {
      flags.config = std::string(argument);
    } else if (argument == "--config" && i + 1 < argc) {
      flags.config = argv[++i];
    } else if (HasShards(service) && absl::ConsumePrefix(&argument, "--shard=")) {
      TURNPIKE_ASSIGN_OR_RETURN(flags.shard, ParseShard(argument));
    } else if (HasShards(service) && argument == "--shard" && i + 1 < argc) {
      TURNPIKE_ASSIGN_OR_RETURN(flags.shard, ParseShard(argv[++i]));
    } else if (argument == "--config") {
      return absl::InvalidArgumentError("--config: a file name must follow");
    } else {
      return absl::InvalidArgumentError(absl::StrCat(argument, ": unknown flag"));
    }
  }
  if (flags.config.empty() && !flags.version && !flags.help) {
    return absl::InvalidArgumentError("--config FILE is missing");
  }
  return flags;
}

std::string UsageText(const std::string& service) {
  return absl::StrCat(
      "usage: ", service, " --config FILE [--check]\n",
      "  --config FILE   the YAML document for all services\n",
      "  --check         say whether it is valid, and exit 0 or 2\n",
      HasShards(service)
          ? "  --shard NUMBER  which of spool.shards this is; default: the number at "
            "the end of\n                  the machine's name\n"
          : "",
      "  --version       print the version\n", "  --help          print this\n");
}

}  // namespace turnpike::process
