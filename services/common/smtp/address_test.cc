#include "services/common/smtp/address.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

absl::StatusOr<Path> Read(absl::string_view text, const AddressOptions& options = {}) {
  absl::StatusOr<Path> path = Path::Consume(&text, options);
  if (path.ok() && !text.empty()) return absl::InvalidArgumentError("rest");
  return path;
}

std::string Printed(absl::string_view text, const AddressOptions& options = {}) {
  const absl::StatusOr<Path> path = Read(text, options);
  return path.ok() ? path->ToString() : absl::StrCat("error ", path.status().message());
}

constexpr AddressOptions kUtf8 = {.allow_utf8 = true};

TEST(PathTest, OrdinaryPathsAreReadAndPrinted) {
  EXPECT_EQ(Printed("<ann@example.org>"), "ann@example.org");
  EXPECT_EQ(Printed("<Ann.Lee+tag@EXAMPLE.org>"), "Ann.Lee+tag@example.org");
  EXPECT_EQ(Printed("<!#$%&'*+-/=?^_`{|}~@a.b>"), "!#$%&'*+-/=?^_`{|}~@a.b");
}

TEST(PathTest, TheNullPathIsEmpty) {
  EXPECT_TRUE(Read("<>")->is_null());
  EXPECT_EQ(Printed("<>"), "");
  EXPECT_TRUE(Path::Parse("", AddressOptions())->is_null());
}

TEST(PathTest, QuotedLocalPartsMeanWhatTheyMeanWithoutQuotes) {
  EXPECT_EQ(Printed(R"(<"ann"@a.b>)"), "ann@a.b");
  EXPECT_EQ(Printed(R"(<"\a\n\n"@a.b>)"), "ann@a.b");
  EXPECT_EQ(Printed(R"(<"ann lee"@a.b>)"), R"("ann lee"@a.b)");
  EXPECT_EQ(Printed(R"(<"a\"b\\c"@a.b>)"), R"("a\"b\\c"@a.b)");
  EXPECT_EQ(Printed(R"(<"a>b"@a.b>)"), R"("a>b"@a.b)");
  EXPECT_EQ(Printed(R"(<"a..b"@a.b>)"), R"("a..b"@a.b)");
  EXPECT_EQ(Read(R"(<"x@y"@a.b>)")->mailbox()->local_part(), "x@y");
}

TEST(PathTest, SourceRoutesAreDropped) {
  EXPECT_EQ(Printed("<@a.org:ann@b.org>"), "ann@b.org");
  EXPECT_EQ(Printed("<@a.org,@c.org:ann@b.org>"), "ann@b.org");
  for (absl::string_view text : {"<@a.org>", "<@a.org:>", "<@:ann@b.org>", "<@a.org,ann@b.org>",
                                 "<@a.org,:ann@b.org>", "<@a.org;ann@b.org>", "<@a b:ann@b.org>"}) {
    EXPECT_FALSE(Read(text).ok()) << text;
  }
}

TEST(PathTest, AddressLiteralsAreReadCanonically) {
  EXPECT_EQ(Printed("<a@[192.0.2.1]>"), "a@[192.0.2.1]");
  EXPECT_EQ(Printed("<a@[IPv6:2001:DB8:0:0::1]>"), "a@[IPv6:2001:db8::1]");
  EXPECT_EQ(Read("<a@[192.0.2.1]>")->mailbox()->domain(), nullptr);
  EXPECT_EQ(Read("<a@[192.0.2.1]>")->mailbox()->literal()->address(), "192.0.2.1");
  for (absl::string_view text :
       {"<a@[]>", "<a@[1.2.3]>", "<a@[1.2.3.256]>", "<a@[1.2.3.4>", "<a@1.2.3.4>", "<a@[::1]>",
        "<a@[IPv6:]>", "<a@[IPv6:::g]>", "<a@[X-foo:bar]>", "<a@[1.2.3.4]x>", "<a@[ 1.2.3.4]>"}) {
    EXPECT_FALSE(Read(text).ok()) << text;
  }
}

TEST(PathTest, PostmasterNeedsNoDomain) {
  EXPECT_EQ(Printed("<Postmaster>"), "Postmaster");
  EXPECT_EQ(Read("<postmaster>")->mailbox()->domain(), nullptr);
  EXPECT_FALSE(Read("<ann>").ok());
  EXPECT_EQ(Path::Parse("postmaster", AddressOptions())->ToString(), "postmaster");
}

TEST(PathTest, WhatIsNoPathIsRefused) {
  for (absl::string_view text :
       {"",           "<",          ">",          "ann@a.b",    "<ann@a.b",     "<ann@>",
        "<@>",        "<.ann@a.b>", "<ann.@a.b>", "<a..b@a.b>", "<a b@a.b>",    "<a@b@c.d>",
        "<a@a.b.>",   "<\"\"@a.b>", "<\"a@a.b>",  "<a\"b@a.b>", "<\"a\"b@a.b>", "<a,b@a.b>",
        "<a:b@a.b>",  "<a;b@a.b>",  "<(c)a@a.b>", "<a@a.b> ",   "< a@a.b>",     "<<a@a.b>>",
        "<a\\b@a.b>", "<\"a\\",     "<a@-b.org>", "<a[b@a.b>"}) {
    EXPECT_FALSE(Read(text, kUtf8).ok()) << text;
  }
}

TEST(PathTest, ControlCharactersAreNeverPartOfAnAddress) {
  for (int c = 0; c < 0x80; ++c) {
    if (c >= 0x20 && c != 0x7f) continue;
    const std::string control(1, static_cast<char>(c));
    for (const std::string& text :
         {absl::StrCat("<a", control, "b@a.b>"), absl::StrCat("<\"a", control, "b\"@a.b>"),
          absl::StrCat("<\"a\\", control, "b\"@a.b>"), absl::StrCat("<a@a", control, "b.org>"),
          absl::StrCat("<@a", control, "b.org:a@b.org>")}) {
      EXPECT_FALSE(Read(text, kUtf8).ok()) << testing::PrintToString(text);
    }
  }
  EXPECT_FALSE(Read("<\"a\xc2\x85"
                    "b\"@a.b>",
                    kUtf8)
                   .ok());
  EXPECT_FALSE(Read("<a\xe2\x80\xa8@a.b>", kUtf8).ok());
}

TEST(PathTest, InternationalAddressesNeedPermission) {
  EXPECT_EQ(Printed("<müller@bücher.example>", kUtf8), "müller@xn--bcher-kva.example");
  EXPECT_EQ(Read("<müller@a.b>").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read("<ann@bücher.example>").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read("<m\xff@a.b>", kUtf8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Read("<a＠b.org>", kUtf8).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Read("<müller@a.b>", kUtf8)->mailbox()->has_non_ascii_local_part());
}

TEST(PathTest, LengthsAreBounded) {
  const std::string longest(250, 'a');
  EXPECT_TRUE(Read(absl::StrCat("<", longest, "@a.b>")).ok());
  EXPECT_EQ(Read(absl::StrCat("<", longest, "a@a.b>")).status().code(),
            absl::StatusCode::kOutOfRange);
  const std::string local_part(64, 'a');
  const AddressOptions narrow = {.limits = {.local_part_bytes_max = 64}};
  EXPECT_TRUE(Read(absl::StrCat("<", local_part, "@a.b>"), narrow).ok());
  EXPECT_EQ(Read(absl::StrCat("<", local_part, "a@a.b>"), narrow).status().code(),
            absl::StatusCode::kOutOfRange);
  const std::string domain =
      absl::StrCat(std::string(63, 'b'), ".", std::string(63, 'c'), ".", std::string(60, 'd'));
  ASSERT_EQ(2 + 64 + 1 + domain.size(), 255u);
  EXPECT_TRUE(Read(absl::StrCat("<", local_part, "@", domain, "d>")).ok());
  EXPECT_EQ(Read(absl::StrCat("<", local_part, "@", domain, "dd>")).status().code(),
            absl::StatusCode::kOutOfRange);
  const AddressOptions wide = {.limits = {.path_bytes_max = 300}};
  EXPECT_TRUE(Read(absl::StrCat("<", local_part, "aaa@", domain, "d>"), wide).ok());
}

TEST(PathTest, ConsumeLeavesWhatFollows) {
  absl::string_view text = "<a@b.c> SIZE=1";
  EXPECT_TRUE(Path::Consume(&text, AddressOptions()).ok());
  EXPECT_EQ(text, " SIZE=1");
}

TEST(MailboxTest, LocalPartsThatRouteAreKnown) {
  for (absl::string_view text : {"a%b.org@c.org", "b.org!a@c.org", R"("a@b.org"@c.org)",
                                 R"("host::a"@c.org)", "a%b%c@d.e"}) {
    EXPECT_TRUE(Mailbox::Parse(text, AddressOptions())->has_routing_local_part()) << text;
  }
  for (absl::string_view text : {"a@c.org", "a+b@c.org", "a=b.org@c.org", R"("a:b"@c.org)"}) {
    EXPECT_FALSE(Mailbox::Parse(text, AddressOptions())->has_routing_local_part()) << text;
  }
}

TEST(MailboxTest, LookalikesOfRoutingCharactersRouteToo) {
  for (const char* text : {"bob\uff20far.example@gw.example", "bob\uff05far.example@gw.example",
                           "far.example\uff01bob@gw.example"}) {
    EXPECT_TRUE(Mailbox::Parse(text, AddressOptions{.allow_utf8 = true})->has_routing_local_part())
        << text;
  }
}

TEST(MailboxTest, PrintedFormReadsBackToAnEqualValue) {
  for (absl::string_view text : {"a@b.c", R"("a b"@b.c)", R"("\"\\"@b.c)", "a@[IPv6:::1]",
                                 R"("@"@b.c)", "müller@b.c", "postmaster"}) {
    const absl::StatusOr<Mailbox> mailbox = Mailbox::Parse(text, kUtf8);
    ASSERT_TRUE(mailbox.ok()) << text;
    EXPECT_EQ(*Mailbox::Parse(mailbox->ToString(), kUtf8), *mailbox);
  }
}

TEST(MailboxTest, WholeTextMustBeTheMailbox) {
  for (absl::string_view text : {"", "a@b.c ", "a@b.c>", "<a@b.c>", "a@b.c,d@e.f", "ann"}) {
    EXPECT_FALSE(Mailbox::Parse(text, AddressOptions()).ok()) << text;
  }
}

}  // namespace
}  // namespace turnpike::smtp
