#include "services/turnpikectl/core/command.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::ctl {
namespace {

Command Release() {
  return {.path = "gateway release",
          .summary = "release held mail",
          .details = "Releases all that is held.",
          .arguments = {{.name = "DOMAIN", .help = "the gateway"},
                        {.name = "LIST", .help = "which", .choices = {"honor", "ignore"}},
                        {.name = "ID", .help = "some", .is_many = true, .is_optional = true}},
          .flags = {{.name = "--to", .value = "ROUTE", .help = "where to"},
                    {.name = "--yes", .value = "", .help = "do not ask", .short_name = "-y"}}};
}

TEST(CommandTest, HelpNamesEveryArgumentAndFlag) {
  EXPECT_EQ(HelpText(Release()),
            "usage: turnpikectl gateway release DOMAIN LIST [ID...] [--to ROUTE] [--yes]\n"
            "\n"
            "Releases all that is held.\n"
            "\n"
            "Arguments:\n"
            "  DOMAIN  the gateway\n"
            "  LIST    which: honor, ignore\n"
            "  ID      some\n"
            "\n"
            "Flags:\n"
            "  --to ROUTE  where to\n"
            "  -y, --yes   do not ask\n");
}

TEST(CommandTest, LongTextsAreBrokenBetweenWords) {
  Command command = Release();
  command.details.clear();
  for (int i = 0; i < 40; ++i) command.details += "word ";
  const std::string help = HelpText(command);
  size_t begin = 0;
  while (begin < help.size()) {
    const size_t end = help.find('\n', begin);
    EXPECT_LE(end - begin, 100u);
    begin = end + 1;
  }
}

TEST(CommandTest, GroupHelpListsTheCommandsOfTheGroup) {
  Command list = Release();
  list.path = "queue list";
  list.alias = "queues";
  list.summary = "list";
  const std::string all = GroupHelpText({Release(), list}, {}, "");
  EXPECT_NE(all.find("  gateway release      release held mail\n"), std::string::npos) << all;
  EXPECT_NE(all.find("  queue list (queues)  list\n"), std::string::npos) << all;
  const std::string group = GroupHelpText({Release(), list}, {}, "gateway");
  EXPECT_NE(group.find("gateway release"), std::string::npos);
  EXPECT_EQ(group.find("queues"), std::string::npos);
}

TEST(InvocationTest, NumbersAreWithinTheirBounds) {
  Invocation invocation;
  EXPECT_EQ(*invocation.Number("--limit", 100, 0, 1000), 100);
  invocation.Add("--limit", "0");
  EXPECT_EQ(*invocation.Number("--limit", 100, 0, 1000), 0);
  for (const char* text : {"-1", "1001", "x", "", "1x"}) {
    Invocation wrong;
    wrong.Add("--limit", text);
    const auto number = wrong.Number("--limit", 100, 0, 1000);
    ASSERT_FALSE(number.ok()) << text;
    EXPECT_NE(number.status().message().find("--limit: must be a number, 0 to 1000"),
              std::string::npos);
  }
}

TEST(InvocationTest, DurationsAreMoreThanNothing) {
  Invocation invocation;
  EXPECT_EQ(*invocation.Duration("--for", absl::Seconds(1)), absl::Seconds(1));
  invocation.Add("--for", "2h");
  EXPECT_EQ(*invocation.Duration("--for", absl::Seconds(1)), absl::Hours(2));
  for (const char* text : {"0s", "2", "soon"}) {
    Invocation wrong;
    wrong.Add("--for", text);
    EXPECT_FALSE(wrong.Duration("--for", absl::Seconds(1)).ok()) << text;
  }
}

TEST(InvocationTest, ValuesOfOneNameAreAList) {
  Invocation invocation;
  invocation.Add("ID", "1");
  invocation.Add("ID", "2");
  EXPECT_EQ(invocation.Get("ID"), "1");
  EXPECT_EQ(invocation.All("ID"), (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE(invocation.All("--none").empty());
  EXPECT_FALSE(invocation.Has("--none"));
}

}  // namespace
}  // namespace turnpike::ctl
