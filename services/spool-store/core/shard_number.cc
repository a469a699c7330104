#include "services/spool-store/core/shard_number.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::spool {
namespace {

// The digits at the end of the machine's own name, which end behind a hyphen.
std::optional<uint32_t> NumberAtEnd(absl::string_view host_name) {
  const absl::string_view name = host_name.substr(0, host_name.find('.'));
  const size_t hyphen = name.rfind('-');
  uint32_t number = 0;
  if (hyphen == name.npos || hyphen + 1 == name.size() || !absl::ascii_isdigit(name[hyphen + 1]) ||
      !absl::SimpleAtoi(name.substr(hyphen + 1), &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

absl::StatusOr<uint32_t> FindShardNumber(std::optional<uint32_t> flag, int shards,
                                         absl::string_view host_name) {
  std::optional<uint32_t> number = flag;
  if (!number.has_value() && shards > 1) {
    number = NumberAtEnd(host_name);
    if (!number.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("spool.shards names ", shards, " stores, and the machine's name (",
                       host_name, ") does not end in -N: say with --shard which one this is"));
    }
  }
  const uint32_t known = static_cast<uint32_t>(shards > 0 ? shards : 1);
  if (number.value_or(0) >= known) {
    return absl::InvalidArgumentError(
        absl::StrCat("this is shard ", *number, ", but ",
                     shards == 0 ? "spool.shards is not set: a store alone is shard 0"
                                 : absl::StrCat("spool.shards names 0 to ", known - 1,
                                                " only: add it there, "
                                                "where it must stay until it is drained")));
  }
  return number.value_or(0);
}

}  // namespace turnpike::spool
