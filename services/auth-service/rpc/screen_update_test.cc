#include "services/auth-service/rpc/screen_update.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

v1::ScreenUpdate Update(bool complete, const std::vector<std::string>& blocked,
                        const std::vector<std::string>& removed = {}) {
  v1::ScreenUpdate update;
  update.set_complete(complete);
  for (const std::string& network : blocked) update.add_blocked()->set_network(network);
  for (const std::string& network : removed) update.add_removed(network);
  return update;
}

std::string Text(const v1::ScreenUpdate& update) {
  std::string text = update.complete() ? "all" : "change";
  for (const v1::BlockedNetwork& blocked : update.blocked()) {
    absl::StrAppend(&text, " +", blocked.network());
  }
  for (const std::string& removed : update.removed()) absl::StrAppend(&text, " -", removed);
  return text;
}

TEST(ScreenUpdateTest, MergedUpdatesHaveTheEffectOfBoth) {
  v1::ScreenUpdate pending;
  MergeScreenUpdate(Update(true, {"a", "b"}), pending);
  EXPECT_EQ(Text(pending), "all +a +b");
  MergeScreenUpdate(Update(false, {"c"}, {"a"}), pending);
  EXPECT_EQ(Text(pending), "all +b +c -a");
  MergeScreenUpdate(Update(false, {"a"}), pending);
  EXPECT_EQ(Text(pending), "all +b +c +a");
  MergeScreenUpdate(Update(true, {}), pending);
  EXPECT_EQ(Text(pending), "all");
  MergeScreenUpdate(Update(false, {"d"}), pending);
  EXPECT_EQ(Text(pending), "all +d");
}

TEST(ScreenUpdateTest, ChangesStayChanges) {
  v1::ScreenUpdate pending;
  MergeScreenUpdate(Update(false, {"a"}), pending);
  MergeScreenUpdate(Update(false, {}, {"a"}), pending);
  EXPECT_EQ(Text(pending), "change -a");
}

}  // namespace
}  // namespace turnpike::auth
