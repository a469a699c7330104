#include "services/common/dsn/report.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::dsn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kContent[] =
    "From: ann@example.org\r\nSubject: hello\r\n\r\nThe body.\r\n.\r\nMore.\r\n";

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    envelope_.set_return_path("ann@example.org");
    context_.host_name = "mx.example.org";
    context_.id = *base::MessageId::FromString("0190163d-8694-739b-aea5-966c26f8ad91");
    context_.now = absl::FromUnixSeconds(1795000000);
    original_.envelope = &envelope_;
    original_.received_time = context_.now - absl::Hours(5);
    original_.content = kContent;
    original_.content_is_complete = true;
    recipient_.recipient.set_address("bob@example.net");
    recipient_.reply.set_code(550);
    recipient_.reply.set_enhanced_code("5.1.1");
    recipient_.reply.set_text("No such user");
    recipient_.host = "mx1.example.net [192.0.2.1]:25";
  }

  std::string Build(Kind kind) {
    return BuildReport(kind, original_, {recipient_}, context_).content;
  }

  mail::v1::Envelope envelope_;
  Original original_;
  Context context_;
  RecipientReport recipient_;
};

TEST_F(ReportTest, FailureCarriesTheHostsOwnWords) {
  const std::string report = Build(Kind::kFailed);
  EXPECT_THAT(report, HasSubstr("\r\nFinal-Recipient: rfc822; bob@example.net\r\n"
                                "Action: failed\r\nStatus: 5.1.1\r\n"
                                "Remote-MTA: dns; mx1.example.net\r\n"
                                "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"));
  EXPECT_THAT(report, HasSubstr("To: ann@example.org\r\n"));
  EXPECT_THAT(report, HasSubstr("From: Mail Delivery System <mailer-daemon@mx.example.org>\r\n"));
  EXPECT_THAT(report, HasSubstr("Auto-Submitted: auto-replied\r\n"));
  EXPECT_THAT(report, HasSubstr("Content-Type: message/delivery-status\r\n"));
  EXPECT_THAT(report, HasSubstr("\r\nReporting-MTA: dns; mx.example.org\r\n"));
}

TEST_F(ReportTest, ReplyWithoutARemoteHostIsMarkedAsOurs) {
  recipient_.host.clear();
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("Diagnostic-Code: x-turnpike; 550 5.1.1"));
  EXPECT_THAT(Build(Kind::kFailed), Not(HasSubstr("Remote-MTA")));
}

TEST_F(ReportTest, HeaderIsReturnedUnlessFullTextWasAskedFor) {
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("Content-Type: text/rfc822-headers\r\n"));
  EXPECT_THAT(Build(Kind::kFailed), Not(HasSubstr("The body.")));
  envelope_.set_dsn_return(mail::v1::DSN_RETURN_FULL);
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("Content-Type: message/rfc822\r\n"));
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("The body.\r\n.\r\nMore.\r\n"));
}

TEST_F(ReportTest, FullTextIsForFailuresOnly) {
  envelope_.set_dsn_return(mail::v1::DSN_RETURN_FULL);
  for (Kind kind : {Kind::kDelayed, Kind::kDelivered, Kind::kRelayed}) {
    EXPECT_THAT(Build(kind), Not(HasSubstr("The body.")));
  }
}

TEST_F(ReportTest, LargeOriginalIsCutDownToItsHeader) {
  envelope_.set_dsn_return(mail::v1::DSN_RETURN_FULL);
  std::string content = "Subject: big\r\n\r\n";
  while (content.size() <= kReturnedBytesMax) content += "0123456789 0123456789\r\n";
  original_.content = content;
  const std::string report = Build(Kind::kFailed);
  EXPECT_THAT(report, HasSubstr("Subject: big\r\n"));
  EXPECT_LT(report.size(), 10'000u);
}

TEST_F(ReportTest, EnvelopeIdAndOriginalRecipientAreGivenBack) {
  envelope_.set_dsn_envelope_id("QQ314159");
  recipient_.recipient.set_dsn_original_recipient("rfc822;robert@example.com");
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("\r\nOriginal-Envelope-Id: QQ314159\r\n"));
  EXPECT_THAT(Build(Kind::kFailed),
              HasSubstr("\r\nOriginal-Recipient: rfc822; robert@example.com\r\n"));
}

TEST_F(ReportTest, DelaySaysUntilWhenWeTry) {
  recipient_.reply.set_code(451);
  recipient_.reply.set_enhanced_code("4.3.0");
  context_.expire_time = context_.now + absl::Hours(24);
  const std::string report = Build(Kind::kDelayed);
  EXPECT_THAT(report, HasSubstr("Action: delayed\r\nStatus: 4.3.0\r\n"));
  EXPECT_THAT(report, HasSubstr("\r\nWill-Retry-Until: "));
}

TEST_F(ReportTest, ExpiredMailSaysSo) {
  recipient_.reply.set_code(450);
  recipient_.reply.set_enhanced_code("4.2.0");
  recipient_.is_expired = true;
  const std::string report = Build(Kind::kFailed);
  EXPECT_THAT(report, HasSubstr("Action: failed\r\nStatus: 4.4.7\r\n"));
  EXPECT_THAT(report, HasSubstr("Diagnostic-Code: smtp; 450 4.2.0"));
}

TEST_F(ReportTest, StatusFollowsTheActionWhereTheReplyHasNoCodeThatFits) {
  recipient_.reply.set_enhanced_code("");
  EXPECT_THAT(Build(Kind::kFailed), HasSubstr("Status: 5.0.0\r\n"));
  recipient_.reply.set_code(250);
  recipient_.reply.set_enhanced_code("5.1.1");
  EXPECT_THAT(Build(Kind::kRelayed), HasSubstr("Action: relayed\r\nStatus: 2.0.0\r\n"));
  EXPECT_THAT(Build(Kind::kDelivered), HasSubstr("Action: delivered\r\nStatus: 2.0.0\r\n"));
}

TEST_F(ReportTest, HostileWordsCannotAddFieldsOrParts) {
  recipient_.reply.set_text("x\r\nAction: delivered\r\n\r\n--boundary\x01\xff");
  recipient_.host = "evil\r\nX: y [192.0.2.1]:25";
  recipient_.recipient.set_dsn_original_recipient("rfc822;a\r\nb");
  envelope_.set_dsn_envelope_id("a\r\nX-Evil: 1");
  const std::string report = Build(Kind::kFailed);
  EXPECT_THAT(report, Not(HasSubstr("\r\nAction: delivered")));
  EXPECT_THAT(report, Not(HasSubstr("\r\nX-Evil")));
  EXPECT_THAT(report, Not(HasSubstr("\r\nX: y")));
  EXPECT_THAT(report, Not(HasSubstr("\r\n--boundary")));
  for (absl::string_view line : absl::StrSplit(report, "\r\n")) {
    EXPECT_LE(line.size(), 998u);
    EXPECT_EQ(line.find_first_of("\r\n\x01\xff"), absl::string_view::npos);
  }
}

TEST_F(ReportTest, Utf8AddressesMakeAGlobalReport) {
  envelope_.set_smtputf8(true);
  recipient_.recipient.set_address("b\xc3\xbc@example.net");
  recipient_.recipient.set_dsn_original_recipient("utf-8;b\xc3\xbc@example.net");
  const Report report = BuildReport(Kind::kFailed, original_, {recipient_}, context_);
  EXPECT_TRUE(report.is_8bit);
  EXPECT_THAT(report.content, HasSubstr("Content-Type: message/global-delivery-status\r\n"));
  EXPECT_THAT(report.content, HasSubstr("Content-Type: message/global-headers\r\n"));
  EXPECT_THAT(report.content, HasSubstr("Final-Recipient: utf-8; b\xc3\xbc@example.net\r\n"));
}

TEST_F(ReportTest, Utf8OriginalRecipientIsEscapedInAnAsciiReport) {
  recipient_.recipient.set_dsn_original_recipient("utf-8;b\xc3\xbc@example.net");
  const Report report = BuildReport(Kind::kFailed, original_, {recipient_}, context_);
  EXPECT_FALSE(report.is_8bit);
  EXPECT_THAT(report.content, HasSubstr("Original-Recipient: utf-8; b\\x{FC}@example.net\r\n"));
}

TEST_F(ReportTest, EightBitHeaderMakesThePartAndTheReportEightBit) {
  original_.content = "Subject: b\xc3\xbc\r\n\r\n";
  const Report report = BuildReport(Kind::kFailed, original_, {recipient_}, context_);
  EXPECT_TRUE(report.is_8bit);
  EXPECT_THAT(report.content, HasSubstr("text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit"));
}

TEST_F(ReportTest, AllRecipientsStandInOneReport) {
  RecipientReport other = recipient_;
  other.recipient.set_address("carl@example.net");
  const std::string report =
      BuildReport(Kind::kFailed, original_, {recipient_, other}, context_).content;
  EXPECT_THAT(report, HasSubstr("Final-Recipient: rfc822; bob@example.net"));
  EXPECT_THAT(report, HasSubstr("Final-Recipient: rfc822; carl@example.net"));
}

}  // namespace
}  // namespace turnpike::dsn
