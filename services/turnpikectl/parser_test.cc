#include "services/turnpikectl/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::ctl {
namespace {

using Words = std::vector<std::string>;

const std::vector<Command>& Commands() {
  static const auto* const kCommands = new std::vector<Command>{
      {.path = "gateway list",
       .summary = "list them",
       .details = "Lists.",
       .flags = {{.name = "--limit", .value = "N", .help = ""}},
       .alias = "gateways"},
      {.path = "gateway release",
       .summary = "release",
       .details = "Releases.",
       .arguments = {{.name = "DOMAIN", .help = ""}},
       .flags = {{.name = "--to", .value = "ROUTE", .help = ""}}},
      {.path = "gateway access add",
       .summary = "add",
       .details = "Adds.",
       .arguments = {{.name = "DOMAIN", .help = ""},
                     {.name = "LIST", .help = "", .choices = {"honor", "ignore"}}}},
      {.path = "message retry",
       .summary = "retry",
       .details = "Retries.",
       .arguments = {{.name = "ID", .help = "", .is_many = true, .is_optional = true}},
       .flags = {{.name = "--unknown", .value = "", .help = ""}}}};
  return *kCommands;
}

absl::StatusOr<ParsedLine> Parse(const Words& words) {
  static const auto* const kFlags = new std::vector<Flag>{
      {.name = "--output", .value = "FORM", .help = "", .choices = {"json"}, .short_name = "-o"},
      {.name = "--yes", .value = "", .help = "", .short_name = "-y"}};
  return ParseLine(Commands(), *kFlags, words);
}

std::string ErrorOf(const Words& words) {
  const absl::StatusOr<ParsedLine> line = Parse(words);
  EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(line.status().message());
}

TEST(ParserTest, CommandArgumentsAndFlagsAreRead) {
  const auto line = Parse({"gateway", "release", "customer.example", "--to", "[mx.example.org]"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command->path, "gateway release");
  EXPECT_EQ(line->invocation.Get("DOMAIN"), "customer.example");
  EXPECT_EQ(line->invocation.Get("--to"), "[mx.example.org]");
  EXPECT_FALSE(line->invocation.Has("--yes"));
}

TEST(ParserTest, AliasIsTheSameCommandWithItsFlags) {
  const auto line = Parse({"gateways", "--limit", "5"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command->path, "gateway list");
  EXPECT_EQ(line->invocation.Get("--limit"), "5");
}

TEST(ParserTest, GlobalFlagsStandAnywhere) {
  for (const Words& words : {Words{"-o", "json", "-y", "gateway", "list"},
                             Words{"gateway", "--output", "json", "list", "--yes"},
                             Words{"gateway", "list", "--output=json", "--yes"}}) {
    const auto line = Parse(words);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->invocation.Get("--output"), "json");
    EXPECT_TRUE(line->invocation.Has("--yes"));
  }
}

TEST(ParserTest, ManyArgumentsAndStandardInput) {
  const auto line = Parse({"message", "retry", "17", "-", "18", "--unknown"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->invocation.All("ID"), (Words{"17", "-", "18"}));
  EXPECT_TRUE(line->invocation.Has("--unknown"));
  const auto none = Parse({"message", "retry"});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->invocation.Has("ID"));
}

TEST(ParserTest, ValuesThatLookLikeFlagsAreTakenBehindTheEqualsSign) {
  const auto line = Parse({"gateway", "release", "a.example", "--to=-x"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->invocation.Get("--to"), "-x");
}

TEST(ParserTest, HelpIsThatOfTheCommandOrItsGroup) {
  EXPECT_NE(Parse({"--help"})->help.find("gateway access add"), std::string::npos);
  EXPECT_NE(Parse({"gateway", "-h"})->help.find("gateway access add"), std::string::npos);
  EXPECT_EQ(Parse({"gateway", "-h"})->help.find("message retry"), std::string::npos);
  EXPECT_NE(Parse({"gateway", "release", "--help"})->help.find("Releases."), std::string::npos);
}

TEST(ParserTest, MistakesSayWhatIsWrongAndWhatWasMeant) {
  EXPECT_EQ(ErrorOf({}), "a command is missing; see turnpikectl --help");
  EXPECT_EQ(ErrorOf({"gatways"}),
            "unknown command `gatways`; did you mean `gateways`? See turnpikectl --help");
  EXPECT_EQ(ErrorOf({"gateway", "relase", "x"}),
            "gateway: unknown command `relase`; did you mean `release`? See turnpikectl gateway "
            "--help");
  EXPECT_EQ(ErrorOf({"gateway"}), "gateway: a command is missing; see turnpikectl gateway --help");
  EXPECT_EQ(ErrorOf({"gateways", "--limt", "4"}),
            "gateways: unknown flag `--limt`; did you mean `--limit`? See turnpikectl gateways "
            "--help");
  EXPECT_EQ(ErrorOf({"gateways", "x"}),
            "gateways: unknown argument `x`; see turnpikectl gateways --help");
  EXPECT_EQ(ErrorOf({"gateway", "release"}),
            "gateway release: DOMAIN is required; see turnpikectl gateway release --help");
  EXPECT_EQ(ErrorOf({"gateway", "access", "add", "a.example", "both"}),
            "gateway access add: LIST must be honor, ignore; not `both`; see turnpikectl gateway "
            "access add --help");
  EXPECT_NE(ErrorOf({"gateway", "release", "a.example", "--to"}).find("--to"), std::string::npos);
}

TEST(ParserTest, TextOfAMistakeCannotSteerATerminal) {
  EXPECT_EQ(ErrorOf({"x\x1b[2J"}), "unknown command `x\\x1b[2J`; see turnpikectl --help");
}

}  // namespace
}  // namespace turnpike::ctl
