#include "services/common/smtp/parameters.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

Capabilities Everything() {
  Capabilities offer;
  offer.size = offer.eight_bit_mime = offer.smtp_utf8 = offer.dsn = offer.chunking = true;
  offer.binary_mime = offer.require_tls = true;
  offer.auth_mechanisms = {"PLAIN"};
  return offer;
}

int MailCode(absl::string_view text, const Capabilities& offer = Everything()) {
  const ReplyOr<MailParameters> parameters = ParseMailParameters(text, offer);
  return parameters.ok() ? 250 : parameters.reply().code();
}

int RcptCode(absl::string_view text, const Capabilities& offer = Everything()) {
  const ReplyOr<RcptParameters> parameters = ParseRcptParameters(text, offer, false);
  return parameters.ok() ? 250 : parameters.reply().code();
}

TEST(MailParametersTest, AllAreRead) {
  const ReplyOr<MailParameters> mail = ParseMailParameters(
      " SIZE=100 body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+20x AUTH=ann+40@example.org  REQUIRETLS",
      Everything());
  ASSERT_FALSE(mail.ok());  // `ann@@example.org` is no mailbox
  const ReplyOr<MailParameters> good = ParseMailParameters(
      " SIZE=100 body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+20x AUTH=ann+2Bx@a.org  REQUIRETLS",
      Everything());
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, (MailParameters{.size_bytes = 100,
                                   .body = BodyType::k8BitMime,
                                   .smtp_utf8 = true,
                                   .require_tls = true,
                                   .ret = DsnReturn::kHeaders,
                                   .envelope_id = "QQ x",
                                   .auth = "ann+x@a.org"}));
  EXPECT_EQ(*ParseMailParameters("", Everything()), MailParameters());
  EXPECT_EQ(ParseMailParameters(" AUTH=<>", Everything())->auth, "<>");
}

TEST(MailParametersTest, WhatIsNotOfferedIsUnknown) {
  const Capabilities nothing;
  for (absl::string_view text : {" SIZE=1", " BODY=7BIT", " SMTPUTF8", " RET=FULL", " ENVID=x",
                                 " AUTH=<>", " REQUIRETLS", " MT-PRIORITY=3", " HOLDFOR=5", " X"}) {
    EXPECT_EQ(MailCode(text, nothing), 555) << text;
  }
  EXPECT_EQ(MailCode(" MT-PRIORITY=3"), 555);
  EXPECT_EQ(MailCode(" NOTIFY=NEVER"), 555);
  Capabilities no_chunking = Everything();
  no_chunking.chunking = false;
  EXPECT_EQ(MailCode(" BODY=BINARYMIME", no_chunking), 501);
  EXPECT_EQ(MailCode(" BODY=BINARYMIME"), 250);
}

TEST(MailParametersTest, BadValuesAreRefused) {
  for (absl::string_view text : {" SIZE",
                                 " SIZE=",
                                 " SIZE=-1",
                                 " SIZE=+1",
                                 " SIZE=0x10",
                                 " SIZE=1a",
                                 " SIZE=1 SIZE=2",
                                 " SIZE=999999999999999999999",
                                 " BODY",
                                 " BODY=",
                                 " BODY=9BIT",
                                 " BODY=7BIT BODY=8BITMIME",
                                 " SMTPUTF8=1",
                                 " SMTPUTF8=",
                                 " SMTPUTF8 SMTPUTF8",
                                 " RET",
                                 " RET=",
                                 " RET=BODY",
                                 " RET=FULL RET=FULL",
                                 " ENVID",
                                 " ENVID=",
                                 " ENVID=a+0D+0Ab",
                                 " ENVID=+",
                                 " ENVID=a=b",
                                 " ENVID=x ENVID=y",
                                 " AUTH",
                                 " AUTH=",
                                 " AUTH=no-mailbox",
                                 " AUTH=a+0A@b.c",
                                 " AUTH=<> AUTH=<>",
                                 " REQUIRETLS=1",
                                 " REQUIRETLS REQUIRETLS",
                                 "SIZE=1",
                                 " =1",
                                 " -X=1",
                                 " SIZE=1\t",
                                 " a_b=1",
                                 " ENVID=a\x7f",
                                 " ENVID=\xc3\xbc",
                                 "x",
                                 "\tSIZE=1",
                                 " ",
                                 " SIZE==1"}) {
    EXPECT_EQ(MailCode(text), 501) << text;
  }
  EXPECT_EQ(MailCode(absl::StrCat(" ENVID=", std::string(100, 'x'))), 250);
  EXPECT_EQ(MailCode(absl::StrCat(" ENVID=", std::string(101, 'x'))), 501);
}

TEST(MailParametersTest, SizesPastTheRangeAreTheLargest) {
  EXPECT_EQ(ParseMailParameters(" SIZE=18446744073709551615", Everything())->size_bytes,
            UINT64_MAX);
  EXPECT_EQ(ParseMailParameters(" SIZE=18446744073709551616", Everything())->size_bytes,
            UINT64_MAX);
  EXPECT_EQ(ParseMailParameters(" SIZE=99999999999999999999", Everything())->size_bytes,
            UINT64_MAX);
  EXPECT_EQ(ParseMailParameters(" SIZE=00000000000000000001", Everything())->size_bytes, 1u);
}

TEST(RcptParametersTest, AllAreRead) {
  const ReplyOr<RcptParameters> rcpt = ParseRcptParameters(
      " NOTIFY=success,Failure,DELAY ORCPT=RFC822;ann+2Btag@example.org", Everything(), false);
  ASSERT_TRUE(rcpt.ok());
  EXPECT_EQ(rcpt->notify, (DsnNotify{.success = true, .failure = true, .delay = true}));
  EXPECT_EQ(rcpt->original_recipient->ToString(), "RFC822;ann+tag@example.org");
  EXPECT_TRUE(ParseRcptParameters(" NOTIFY=NEVER", Everything(), false)->notify->never);
}

TEST(RcptParametersTest, InternationalOriginalRecipientsAreDecoded) {
  EXPECT_EQ(ParseRcptParameters(R"( ORCPT=utf-8;m\x{FC}ller@a.b)", Everything(), false)
                ->original_recipient->address,
            "müller@a.b");
  EXPECT_TRUE(ParseRcptParameters(R"( ORCPT=UTF-8;m\x{FC}ller@a.b)", Everything(), false)
                  ->original_recipient->is_utf8());
  EXPECT_EQ(RcptCode(" ORCPT=utf-8;müller@a.b"), 501);
  EXPECT_TRUE(ParseRcptParameters(" ORCPT=utf-8;müller@a.b", Everything(), true).ok());
}

TEST(RcptParametersTest, BadValuesAreRefused) {
  for (absl::string_view text : {" NOTIFY",
                                 " NOTIFY=",
                                 " NOTIFY=NEVER,DELAY",
                                 " NOTIFY=DELAY,NEVER",
                                 " NOTIFY=DELAY,DELAY",
                                 " NOTIFY=,",
                                 " NOTIFY=DELAY,",
                                 " NOTIFY=ALWAYS",
                                 " NOTIFY=NEVER NOTIFY=NEVER",
                                 " ORCPT",
                                 " ORCPT=",
                                 " ORCPT=rfc822",
                                 " ORCPT=rfc822;",
                                 " ORCPT=;a@b.c",
                                 " ORCPT=rfc822;a+0D+0Ab",
                                 " ORCPT=rfc822;a+00b",
                                 " ORCPT=rfc822;a+",
                                 " ORCPT=r f;a",
                                 " ORCPT=rfc822;a=b",
                                 " ORCPT=utf-8;\\x{0A}",
                                 " ORCPT=rfc822;a ORCPT=rfc822;b",
                                 " ORCPT=rfc822;\xc3\xbc"}) {
    EXPECT_EQ(RcptCode(text), 501) << text;
  }
  EXPECT_EQ(RcptCode(" FOO=1"), 555);
  EXPECT_EQ(RcptCode(" SIZE=1"), 555);
  EXPECT_EQ(RcptCode(" NOTIFY=NEVER", Capabilities()), 555);
  EXPECT_EQ(RcptCode(absl::StrCat(" ORCPT=rfc822;", std::string(493, 'x'))), 250);
  EXPECT_EQ(RcptCode(absl::StrCat(" ORCPT=rfc822;", std::string(494, 'x'))), 501);
}

TEST(ParametersTest, WhatIsPrintedReadsBack) {
  const MailParameters mail = {.size_bytes = 7,
                               .body = BodyType::kBinaryMime,
                               .smtp_utf8 = true,
                               .require_tls = true,
                               .ret = DsnReturn::kFull,
                               .envelope_id = "a b+c",
                               .auth = "<>"};
  std::string line;
  AppendMailParameters(mail, Everything(), &line);
  EXPECT_EQ(line, " SIZE=7 BODY=BINARYMIME SMTPUTF8 REQUIRETLS RET=FULL ENVID=a+20b+2Bc AUTH=<>");
  EXPECT_EQ(*ParseMailParameters(line, Everything()), mail);

  const RcptParameters rcpt = {.notify = DsnNotify{.success = true, .delay = true},
                               .original_recipient = OriginalRecipient{"utf-8", "mü ller@a.b"}};
  line.clear();
  AppendRcptParameters(rcpt, Everything(), &line);
  EXPECT_EQ(line, R"( NOTIFY=SUCCESS,DELAY ORCPT=utf-8;m\x{FC}\x{20}ller@a.b)");
  EXPECT_EQ(*ParseRcptParameters(line, Everything(), false), rcpt);
}

TEST(ParametersTest, APeerIsToldOnlyWhatItOffers) {
  const MailParameters mail = {.size_bytes = 7,
                               .body = BodyType::k8BitMime,
                               .smtp_utf8 = true,
                               .ret = DsnReturn::kFull,
                               .envelope_id = "x",
                               .auth = "<>"};
  std::string line;
  AppendMailParameters(mail, Capabilities(), &line);
  AppendRcptParameters({.notify = DsnNotify{.never = true}}, Capabilities(), &line);
  EXPECT_EQ(line, "");
}

TEST(OriginalRecipientTest, StoredFormReadsBack) {
  const OriginalRecipient recipient = {"rfc822", "a b;c@d.e"};
  EXPECT_EQ(OriginalRecipient::Parse(recipient.ToString()), recipient);
  for (absl::string_view text : {"", "rfc822", "rfc822;", ";x", "a b;x", "rfc822;a\nb"}) {
    EXPECT_FALSE(OriginalRecipient::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace turnpike::smtp
