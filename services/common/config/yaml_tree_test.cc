#include "services/common/config/yaml_tree.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

using Kind = YamlNode::Kind;

// The errors of a document.
std::string ErrorsOf(const std::string& text) {
  Problems problems("f");
  ParseYaml(text, problems);
  return std::string(problems.ToStatus().message());
}

TEST(YamlTreeTest, ValuesKnowTheirPlaces) {
  Problems problems("f");
  const YamlNode root = ParseYaml("a: 1\nb:\n  - x\n  - {c: 'q'}\nd:\n", problems);
  EXPECT_FALSE(problems.has_errors());
  ASSERT_EQ(root.kind, Kind::kMap);
  ASSERT_EQ(root.keys.size(), 3u);
  EXPECT_EQ(root.keys[1].scalar, "b");
  EXPECT_EQ(root.keys[1].place, (Place{2, 1}));
  EXPECT_EQ(root.items[0].scalar, "1");
  EXPECT_EQ(root.items[0].place, (Place{1, 4}));
  ASSERT_EQ(root.items[1].kind, Kind::kList);
  EXPECT_EQ(root.items[1].items[0].place, (Place{3, 5}));
  ASSERT_EQ(root.items[1].items[1].kind, Kind::kMap);
  EXPECT_EQ(root.items[1].items[1].items[0].scalar, "q");
  EXPECT_EQ(root.items[1].items[1].items[0].place, (Place{4, 9}));
  EXPECT_EQ(root.items[2].kind, Kind::kNull);
}

TEST(YamlTreeTest, DoubleKeysAreKept) {
  Problems problems("f");
  EXPECT_EQ(ParseYaml("a: 1\na: 2\n", problems).keys.size(), 2u);
}

TEST(YamlTreeTest, EmptyTextIsNull) {
  Problems problems("f");
  EXPECT_EQ(ParseYaml("", problems).kind, Kind::kNull);
  EXPECT_EQ(ParseYaml("# only a comment\n", problems).kind, Kind::kNull);
  EXPECT_FALSE(problems.has_errors());
}

TEST(YamlTreeTest, SyntaxErrorsHaveALine) {
  EXPECT_TRUE(absl::StartsWith(ErrorsOf("a: 1\nb: [1, 2\nc: 3\n"), "f:3:")) << ErrorsOf("b: [1");
  EXPECT_TRUE(absl::StartsWith(ErrorsOf("a: 1\n  b: 2\n"), "f:2:"));
  EXPECT_TRUE(absl::StrContains(ErrorsOf("a: {"), "YAML syntax: "));
}

TEST(YamlTreeTest, TextWithoutItsLastQuotationMarkIsRefused) {
  const std::string text =
      "YAML syntax: the text that begins here has no end; add the missing quotation mark";
  EXPECT_EQ(ErrorsOf("a: \"x\n"), "f:1:4: " + text);
  EXPECT_EQ(ErrorsOf("a: 1\nb: 'it''s\n"), "f:2:4: " + text);
  EXPECT_EQ(ErrorsOf("\xef\xbb\xbf"
                     "a: \"\xc3\xbc\"\nb: \"x\\\"\n"),
            "f:2:4: " + text);
  EXPECT_EQ(ErrorsOf("a: 'it''s'\nb: \"\\\\\"\nc: \"\\\"\"\nd: \"e\n\n  f\"\n"), "");
}

TEST(YamlTreeTest, AnchorsAliasesTagsAndFurtherDocumentsAreRefused) {
  EXPECT_EQ(ErrorsOf("a: &x 1\nb: *x\n"),
            "f:1:4: anchors (`&name`) are not read; take it away\n"
            "f:2:4: aliases (`*name`) are not read; write the value out");
  EXPECT_EQ(ErrorsOf("a: !secret 1\n"), "f:1:4: tags (`!name`) are not read; take it away");
  EXPECT_TRUE(absl::StrContains(ErrorsOf("a: 1\n---\nb: 1\n"), "a second document begins here"));
}

TEST(YamlTreeTest, DeepNestingEndsWithAnError) {
  EXPECT_FALSE(ErrorsOf(std::string(100'000, '[')).empty());
  std::string maps;
  for (int i = 0; i < 5'000; ++i) absl::StrAppend(&maps, std::string(i % 2, ' '), "{a: ");
  EXPECT_FALSE(ErrorsOf(maps).empty());
}

}  // namespace
}  // namespace turnpike::config
