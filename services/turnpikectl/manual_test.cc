#include "services/turnpikectl/manual.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "services/common/base/file.h"
#include "services/turnpikectl/commands/all_commands.h"

namespace turnpike::ctl {
namespace {

TEST(ManualTest, PageInTheRepositoryIsMadeOfThePresentCommands) {
  EXPECT_EQ(base::ReadFile("docs/turnpikectl.md", 1 << 20).value_or(""), MakeManual())
      << "make the page again as services/turnpikectl/manual_main.cc says";
}

TEST(ManualTest, EveryCommandAndFlagIsExplainedOnce) {
  std::set<std::string> paths;
  for (const Command& command : AllCommands()) {
    EXPECT_TRUE(paths.insert(command.path).second) << command.path;
    EXPECT_TRUE(command.alias.empty() || paths.insert(command.alias).second) << command.alias;
    EXPECT_TRUE(command.run) << command.path;
    EXPECT_FALSE(command.summary.empty()) << command.path;
    EXPECT_EQ(command.details.back(), '.') << command.path;
    std::set<std::string> flags;
    for (const Flag& flag : GlobalFlags()) flags.insert(flag.name);
    for (const Flag& flag : command.flags) {
      EXPECT_TRUE(flags.insert(flag.name).second) << command.path << " " << flag.name;
      EXPECT_FALSE(flag.help.empty()) << command.path << " " << flag.name;
    }
  }
}

TEST(ManualTest, WhatCompletionAsksIsACommandWithoutArguments) {
  std::set<std::string> asked;
  for (const Command& command : AllCommands()) {
    for (const Argument& argument : command.arguments) asked.insert(argument.completed_by);
    for (const Flag& flag : command.flags) asked.insert(flag.completed_by);
  }
  asked.erase("");
  for (const Command& command : AllCommands()) {
    if (command.arguments.empty()) asked.erase(command.path);
  }
  EXPECT_TRUE(asked.empty()) << *asked.begin();
}

}  // namespace
}  // namespace turnpike::ctl
