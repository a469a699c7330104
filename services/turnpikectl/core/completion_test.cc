#include "services/turnpikectl/core/completion.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::ctl {
namespace {

using Words = std::vector<std::string>;

const std::vector<Command>& Commands() {
  static const auto* const kCommands = new std::vector<Command>{
      {.path = "gateway list", .summary = "list them", .details = "", .alias = "gateways"},
      {.path = "gateway access add",
       .summary = "add a network",
       .details = "",
       .arguments = {{.name = "DOMAIN", .help = "", .completed_by = "gateway list"},
                     {.name = "LIST", .help = "", .choices = {"honor", "ignore"}}}},
      {.path = "message retry",
       .summary = "retry",
       .details = "",
       .arguments = {{.name = "ID", .help = "", .is_many = true, .completed_by = "message list"}},
       .flags = {{.name = "--state", .value = "STATE", .help = "", .choices = {"held", "ready"}}}}};
  return *kCommands;
}

Words Find(const Words& words) {
  const std::vector<Flag> global = {
      {.name = "--output", .value = "FORM", .help = "", .choices = {"json"}, .short_name = "-o"},
      {.name = "--yes", .value = "", .help = ""}};
  const NameSource names = [](const std::string& path) {
    return path == "gateway list" ? Words{"a.example", "b.example"} : Words{"17"};
  };
  Words found;
  for (const Candidate& candidate : Complete(Commands(), global, words, names)) {
    found.push_back(candidate.word);
  }
  return found;
}

TEST(CompletionTest, CommandsAreFoundWordByWord) {
  EXPECT_EQ(Find({""}), (Words{"gateway", "gateways", "message"}));
  EXPECT_EQ(Find({"gat"}), (Words{"gateway", "gateways"}));
  EXPECT_EQ(Find({"gateway", ""}), (Words{"list", "access"}));
  EXPECT_EQ(Find({"gateway", "access", ""}), Words{"add"});
  EXPECT_EQ(Find({}), (Words{"gateway", "gateways", "message"}));
}

TEST(CompletionTest, ArgumentsComeFromTheServicesOrTheirChoices) {
  EXPECT_EQ(Find({"gateway", "access", "add", ""}), (Words{"a.example", "b.example"}));
  EXPECT_EQ(Find({"gateway", "access", "add", "b"}), Words{"b.example"});
  EXPECT_EQ(Find({"gateway", "access", "add", "b.example", "i"}), Words{"ignore"});
  EXPECT_EQ(Find({"gateway", "access", "add", "b.example", "ignore", ""}), Words{});
  EXPECT_EQ(Find({"message", "retry", "1", "2", ""}), Words{"17"});
}

TEST(CompletionTest, FlagsAndTheirValuesAreFoundAnywhere) {
  EXPECT_EQ(Find({"message", "retry", "--s"}), Words{"--state"});
  EXPECT_EQ(Find({"message", "retry", "--state", ""}), (Words{"held", "ready"}));
  EXPECT_EQ(Find({"-o", "json", "gateway", "l"}), Words{"list"});
  EXPECT_EQ(Find({"-o", ""}), Words{"json"});
  EXPECT_EQ(Find({"gateways", "--yes", "--o"}), Words{"--output"});
}

TEST(CompletionTest, UnknownCommandsHaveNoCandidates) { EXPECT_EQ(Find({"gatway", ""}), Words{}); }

TEST(CompletionTest, EveryShellHasAScript) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(CompletionScript(shell).find("turnpikectl __complete"), std::string::npos) << shell;
  }
  EXPECT_EQ(CompletionScript("csh"), "");
}

}  // namespace
}  // namespace turnpike::ctl
