#include "services/common/smtp/domain_name.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

DomainName Name(absl::string_view text) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  EXPECT_TRUE(name.ok()) << text;
  return *name;
}

TEST(DomainNameTest, CaseDoesNotMatter) {
  EXPECT_EQ(Name("Mail.EXAMPLE.org"), Name("mail.example.ORG"));
  EXPECT_EQ(Name("Mail.EXAMPLE.org").ascii(), "mail.example.org");
}

TEST(DomainNameTest, InternationalFormsOfOneNameAreEqual) {
  const DomainName name = Name("bücher.example");
  EXPECT_EQ(name.ascii(), "xn--bcher-kva.example");
  EXPECT_EQ(name, Name("BÜCHER.example"));
  EXPECT_EQ(name, Name("XN--Bcher-KVA.example"));
  EXPECT_EQ(name.ToUnicode(), "bücher.example");
  EXPECT_EQ(Name("faß.example").ascii(), "xn--fa-hia.example");  // IDNA 2008, not 2003
}

TEST(DomainNameTest, NamesOfTheFieldAreRead) {
  for (absl::string_view text : {"localhost", "a.b", "3com.com", "_dmarc.example.org",
                                 "my_host.example.org", "a--b.example", "x.1a"}) {
    EXPECT_TRUE(DomainName::Parse(text).ok()) << text;
  }
}

TEST(DomainNameTest, WhatIsNoNameIsRefused) {
  for (absl::string_view text : {"",
                                 ".",
                                 "a.",
                                 ".a",
                                 "a..b",
                                 "-a.org",
                                 "a-.org",
                                 "a b.org",
                                 "a@b.org",
                                 "a/b.org",
                                 "*.org",
                                 "a,b",
                                 "[192.0.2.1]",
                                 "192.0.2.1",
                                 "example.1",
                                 "xn--.org",
                                 "xn--a.org",
                                 "xn--\x80.org",
                                 "a%b.org",
                                 "a\tb.org",
                                 "a\nb.org",
                                 "a;b.org",
                                 "a'b.org",
                                 "example.org:25",
                                 "a\\b"}) {
    EXPECT_FALSE(DomainName::Parse(text).ok()) << testing::PrintToString(text);
  }
  EXPECT_FALSE(DomainName::Parse(absl::string_view("exam\0ple.org", 12)).ok());
}

TEST(DomainNameTest, UnicodeCannotMakeDotsOrAtSigns) {
  for (absl::string_view text :
       {"example．org", "example。org", "a＠b.org", "ex\u00adample\u2028.org", "a／b.org",
        "\xc2\x85.org", "\xff.org", "a\u200b\n.org"}) {
    EXPECT_FALSE(DomainName::Parse(text).ok()) << testing::PrintToString(text);
  }
}

TEST(DomainNameTest, ErrorTextsHoldNothingOfTheInput) {
  const absl::Status status = DomainName::Parse("evil\r\n250 OK").status();
  EXPECT_EQ(status.message().find("evil"), absl::string_view::npos);
}

TEST(DomainNameTest, LengthsAreBounded) {
  const std::string label(63, 'a');
  EXPECT_TRUE(DomainName::Parse(label).ok());
  EXPECT_FALSE(DomainName::Parse(label + "a").ok());
  const std::string name = absl::StrCat(label, ".", label, ".", label, ".", label);
  ASSERT_EQ(name.size(), 255u);
  EXPECT_TRUE(DomainName::Parse(name).ok());
  EXPECT_FALSE(DomainName::Parse(name + ".b").ok());
  EXPECT_FALSE(DomainName::Parse(std::string(1 << 20, 'a')).ok());
}

TEST(DomainNameTest, OptionsLoosenAndTighten) {
  EXPECT_FALSE(DomainName::Parse("example.org.").ok());
  EXPECT_EQ(DomainName::Parse("example.org.", {.allow_trailing_dot = true})->ascii(),
            "example.org");
  EXPECT_FALSE(DomainName::Parse("example.org..", {.allow_trailing_dot = true}).ok());
  EXPECT_FALSE(DomainName::Parse("bücher.example", {.allow_u_labels = false}).ok());
  EXPECT_TRUE(DomainName::Parse("xn--bcher-kva.example", {.allow_u_labels = false}).ok());
}

TEST(DomainNameTest, SubdomainsEndAtADot) {
  const DomainName parent = Name("example.org");
  EXPECT_TRUE(Name("mail.example.org").IsSubdomainOf(parent));
  EXPECT_TRUE(Name("a.b.example.org").IsSubdomainOf(parent));
  EXPECT_FALSE(Name("example.org").IsSubdomainOf(parent));
  EXPECT_TRUE(Name("example.org").IsSameOrSubdomainOf(parent));
  EXPECT_FALSE(Name("notexample.org").IsSameOrSubdomainOf(parent));
  EXPECT_FALSE(Name("org").IsSameOrSubdomainOf(parent));
  EXPECT_FALSE(Name("example.org.evil.net").IsSameOrSubdomainOf(parent));
}

TEST(DomainNameTest, EqualNamesHashAlike) {
  const absl::flat_hash_set<DomainName> names = {Name("bücher.example"), Name("example.org")};
  EXPECT_TRUE(names.contains(Name("xn--bcher-kva.example")));
  EXPECT_TRUE(names.contains(Name("EXAMPLE.org")));
  EXPECT_FALSE(names.contains(Name("example.net")));
}

}  // namespace
}  // namespace turnpike::smtp
