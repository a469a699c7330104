#include "services/common/smtp/command.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

template <typename T>
std::string Code(const ReplyOr<T>& result) {
  return result.ok()
             ? "ok"
             : absl::StrCat(result.reply().code(), " ", result.reply().enhanced().ToString());
}

TEST(CommandLineTest, VerbsAreKnownInAnyCase) {
  EXPECT_EQ(ParseCommandLine("MAIL FROM:<>").verb, Verb::kMail);
  EXPECT_EQ(ParseCommandLine("mail from:<>").argument, "from:<>");
  EXPECT_EQ(ParseCommandLine("StartTLS").verb, Verb::kStartTls);
  EXPECT_EQ(ParseCommandLine("DATA  ").argument, "");
  for (absl::string_view line :
       {"", " ", " DATA", "DATAX", "DAT", "GET / HTTP/1.1", "DATA\t", "\xff"}) {
    EXPECT_EQ(ParseCommandLine(line).verb, Verb::kUnknown) << line;
  }
}

TEST(CommandLineTest, VerbsHaveNames) {
  EXPECT_EQ(VerbName(Verb::kAtrn), "ATRN");
  EXPECT_EQ(VerbName(Verb::kUnknown), "unknown");
}

TEST(HelloTest, OneHarmlessWordIsTaken) {
  for (absl::string_view text : {"mx.example.org", "[192.0.2.1]", "[IPv6:::1]", "x", "my_host"}) {
    EXPECT_EQ(*ParseHello(text), text);
  }
  for (const std::string& text : {std::string(), std::string("a b"), std::string("a\tb"),
                                  std::string("a\x7f"), std::string(256, 'a')}) {
    EXPECT_EQ(Code(ParseHello(text)), "501 5.5.4");
  }
}

TEST(MailTest, PathAndParametersAreRead) {
  Capabilities offer;
  offer.size = true;
  const ReplyOr<MailCommand> mail = ParseMail("FROM:<ann@a.b> SIZE=5", offer, {});
  ASSERT_TRUE(mail.ok());
  EXPECT_EQ(mail->path.ToString(), "ann@a.b");
  EXPECT_EQ(mail->parameters.size_bytes, 5u);
  EXPECT_TRUE(ParseMail("from: <>", offer, {})->path.is_null());
}

TEST(MailTest, ErrorsHaveTheirCodes) {
  Capabilities offer;
  offer.smtp_utf8 = true;
  EXPECT_EQ(Code(ParseMail("", offer, {})), "501 5.5.4");
  EXPECT_EQ(Code(ParseMail("TO:<a@b.c>", offer, {})), "501 5.5.4");
  EXPECT_EQ(Code(ParseMail("FROM:a@b.c", offer, {})), "501 5.1.7");
  EXPECT_EQ(Code(ParseMail("FROM:<a>", offer, {})), "501 5.1.7");
  EXPECT_EQ(Code(ParseMail("FROM:<a@b.c>x", offer, {})), "501 5.5.4");
  EXPECT_EQ(Code(ParseMail("FROM:<a@b.c> X=1", offer, {})), "555 5.5.4");
  EXPECT_EQ(Code(ParseMail("FROM:<ü@b.c>", offer, {})), "550 5.6.7");
  EXPECT_EQ(Code(ParseMail("FROM:<a@ü.c>", offer, {})), "550 5.6.7");
  EXPECT_EQ(Code(ParseMail("FROM:<ü@b.c> SMTPUTF8", offer, {})), "ok");
}

TEST(RcptTest, ErrorsHaveTheirCodes) {
  EXPECT_EQ(Code(ParseRcpt("TO:<a@b.c>", {}, {}, false)), "ok");
  EXPECT_EQ(Code(ParseRcpt("TO:<>", {}, {}, false)), "501 5.1.3");
  EXPECT_EQ(Code(ParseRcpt("TO:<a@b@c>", {}, {}, false)), "501 5.1.3");
  EXPECT_EQ(Code(ParseRcpt("FROM:<a@b.c>", {}, {}, false)), "501 5.5.4");
  EXPECT_EQ(Code(ParseRcpt("TO:<ü@b.c>", {}, {}, false)), "553 5.6.7");
  EXPECT_EQ(Code(ParseRcpt("TO:<ü@b.c>", {}, {}, true)), "ok");
}

TEST(BdatTest, OnlyPlainCountsAreTaken) {
  EXPECT_EQ(ParseBdat("86 LAST")->size_bytes, 86u);
  EXPECT_TRUE(ParseBdat("86 last")->is_last);
  EXPECT_FALSE(ParseBdat("0")->is_last);
  EXPECT_EQ(ParseBdat("9223372036854775807")->size_bytes, uint64_t{INT64_MAX});
  for (absl::string_view text :
       {"", "-1", "+1", "0x10", "1e3", "LAST", "LAST 5", "5 LAST x", "5 FIRST", "5,000", "5LAST",
        "9223372036854775808", "18446744073709551616", "99999999999999999999999", "1.5", "1\t"}) {
    EXPECT_EQ(Code(ParseBdat(text)), "501 5.5.4") << text;
  }
}

TEST(AuthTest, InitialResponsesAreDecoded) {
  EXPECT_EQ(ParseAuth("plain AGEAYg==")->mechanism, "PLAIN");
  EXPECT_EQ(ParseAuth("PLAIN AGEAYg==")->initial_response, std::string("\0a\0b", 4));
  EXPECT_EQ(ParseAuth("SCRAM-SHA-256-PLUS =")->initial_response, "");
  EXPECT_EQ(ParseAuth("CRAM-MD5")->initial_response, std::nullopt);
}

TEST(AuthTest, ErrorsHaveTheirCodes) {
  for (absl::string_view text : {"", " PLAIN", "PL@IN", "ABCDEFGHIJKLMNOPQRSTU", "PLAIN "}) {
    EXPECT_EQ(Code(ParseAuth(text)), "501 5.5.4") << text;
  }
  for (absl::string_view text : {"PLAIN A", "PLAIN AGE", "PLAIN AGEAYg=", "PLAIN AGEA=g==",
                                 "PLAIN ====", "PLAIN AGEA Yg==", "PLAIN AGEA-_==", "PLAIN *"}) {
    EXPECT_EQ(Code(ParseAuth(text)), "501 5.5.2") << text;
  }
}

TEST(EtrnTest, KindsAndNamesAreRead) {
  EXPECT_EQ(ParseEtrn("Example.ORG")->name.ascii(), "example.org");
  EXPECT_EQ(ParseEtrn("Example.ORG")->kind, EtrnCommand::Kind::kDomain);
  EXPECT_EQ(ParseEtrn("@example.org")->kind, EtrnCommand::Kind::kSubdomains);
  EXPECT_EQ(ParseEtrn("#example.org")->kind, EtrnCommand::Kind::kQueue);
  EXPECT_EQ(ParseEtrn("@org")->name.ascii(), "org");
  EXPECT_EQ(ParseEtrn("bücher.example")->name.ascii(), "xn--bcher-kva.example");
}

TEST(EtrnTest, ErrorsHaveTheirCodes) {
  EXPECT_EQ(Code(ParseEtrn("")), "500 5.5.4");
  for (absl::string_view text : {"com", "#q", "@", "#", "!example.org", "@@example.org",
                                 "[192.0.2.1]", "*.org", "example.org.", "a.org b.org", "'||x",
                                 "../../x", "a.org;b.org", "a.org,b.org", "192.0.2.1"}) {
    EXPECT_EQ(Code(ParseEtrn(text)), "501 5.5.4") << text;
  }
  EXPECT_EQ(Code(ParseEtrn(std::string(65536, 'a'))), "501 5.5.4");
}

TEST(AtrnTest, ListsAreRead) {
  EXPECT_TRUE(ParseAtrn("")->domains.empty());
  const ReplyOr<AtrnCommand> atrn = ParseAtrn("a.example,B.example");
  ASSERT_TRUE(atrn.ok());
  ASSERT_EQ(atrn->domains.size(), 2u);
  EXPECT_EQ(atrn->domains[1].ascii(), "b.example");
}

TEST(AtrnTest, MalformedListsAreRefused) {
  for (absl::string_view text :
       {",", "a.org,", ",a.org", "a.org,,b.org", "a.org, b.org", "a.org b.org", "localhost",
        "a.org,com", "*.org", "@a.org", "#a.org", "a.org."}) {
    EXPECT_EQ(Code(ParseAtrn(text)), "501 5.5.4") << text;
  }
}

}  // namespace
}  // namespace turnpike::smtp
