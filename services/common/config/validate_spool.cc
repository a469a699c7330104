#include "services/common/config/validate_spool.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::config {
namespace {

// A delivery's id has one octet for its shard.
constexpr int kShardsMax = 256;

}  // namespace

// A target that is there twice would get two shards' mail, and hand it out twice.
void ValidateSpool(const Places& places, const v1::Config& config, Problems& problems) {
  const v1::Spool& spool = config.spool();
  if (spool.shards_size() > kShardsMax) {
    problems.AddError(FindPlace(places, "spool.shards"), "spool.shards",
                      absl::StrCat("has ", spool.shards_size(), " entries; there are at most ",
                                   kShardsMax, " shards"));
  }
  std::map<std::string, int> first;
  for (int i = 0; i < spool.shards_size(); ++i) {
    const auto [it, is_new] = first.emplace(spool.shards(i), i);
    if (is_new) continue;
    const std::string path = absl::StrCat("spool.shards[", i, "]");
    problems.AddError(FindPlace(places, path), path,
                      absl::StrCat("`", spool.shards(i), "` is spool.shards[", it->second,
                                   "] already; every shard has a target of its own"));
  }
}

}  // namespace turnpike::config
