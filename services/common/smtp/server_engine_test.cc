#include "services/common/smtp/server_engine.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/server_dialogue_testing.h"

namespace turnpike::smtp {
namespace {

using Events = std::vector<std::string>;

constexpr absl::string_view kMessage = "Subject: x\r\n\r\nhello\r\n";

TEST(ServerEngineTest, AMessageIsTaken) {
  ServerDialogue dialogue;
  EXPECT_EQ(dialogue.Say(""), "220 mx.example.org ESMTP Turnpike\r\n");
  EXPECT_TRUE(absl::StartsWith(dialogue.Say("EHLO client.example\r\n"), "250-mx.example.org\r\n"));
  EXPECT_EQ(dialogue.Say("MAIL FROM:<ann@a.example>\r\n"), "250 2.1.0 Sender OK\r\n");
  EXPECT_EQ(dialogue.Say("RCPT TO:<bob@b.example>\r\n"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(dialogue.Say("DATA\r\n"), "354 End data with <CR><LF>.<CR><LF>\r\n");
  EXPECT_EQ(dialogue.Say("Subject: x\r\n\r\nhello\r\n.\r\n"), "250 2.0.0 Message accepted\r\n");
  EXPECT_EQ(dialogue.Say("QUIT\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"ehlo client.example", "mail ann@a.example",
                                           "rcpt bob@b.example", "data", "message 21", "close"}));
  EXPECT_EQ(dialogue.messages(), std::vector<std::string>{std::string(kMessage)});
}

TEST(ServerEngineTest, PipelinedCommandsAreAnsweredInOneGo) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"),
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
            "354 End data with <CR><LF>.<CR><LF>\r\n");
  EXPECT_EQ(dialogue.Say("x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nQUIT\r\n"),
            "250 2.0.0 Message accepted\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "221 2.0.0 Bye\r\n");
}

TEST(ServerEngineTest, EhloOffersWhatIsHonouredNow) {
  ServerDialogue dialogue;
  dialogue.Say("");
  EXPECT_EQ(dialogue.Say("EHLO c\r\n"),
            "250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
            "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
            "250-STARTTLS\r\n250-ETRN\r\n250-ATRN\r\n250-SIZE 10000\r\n"
            "250 AUTH PLAIN CRAM-MD5\r\n");
  EXPECT_EQ(dialogue.Say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
  dialogue.engine().OnTlsStarted();
  const std::string under_tls = dialogue.Say("EHLO c\r\n");
  EXPECT_FALSE(absl::StrContains(under_tls, "STARTTLS"));
  EXPECT_TRUE(absl::StrContains(under_tls, "REQUIRETLS"));
  EXPECT_TRUE(absl::StrContains(under_tls, "AUTH PLAIN SCRAM-SHA-256\r\n"));
}

TEST(ServerEngineTest, BinaryMimeIsNotOfferedWithoutChunking) {
  ServerOptions options = OptionsForTest();
  options.offered.chunking = false;
  ServerDialogue dialogue(options);
  EXPECT_FALSE(absl::StrContains(dialogue.Say("EHLO c\r\n"), "BINARYMIME"));
  EXPECT_EQ(dialogue.Say("BDAT 1\r\n"), "502 5.5.1 Command not implemented\r\n");
}

TEST(ServerEngineTest, HeloOffersNothingAndKnowsNoParameters) {
  ServerDialogue dialogue;
  dialogue.Say("");
  EXPECT_EQ(dialogue.Say("HELO c\r\n"), "250 mx.example.org\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<> SIZE=1\r\n"), "555 5.5.4 Parameter not recognized\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\n"), "250 2.1.0 Sender OK\r\n");
  EXPECT_FALSE(dialogue.engine().transmission_type().is_extended);
}

TEST(ServerEngineTest, CommandsOutOfOrderAre503) {
  ServerDialogue dialogue;
  dialogue.Say("");
  constexpr absl::string_view k503 = "503 5.5.1 Bad sequence of commands\r\n";
  for (absl::string_view line :
       {"MAIL FROM:<>\r\n", "RCPT TO:<a@b.c>\r\n", "DATA\r\n", "STARTTLS\r\n",
        "AUTH PLAIN AHUAcA==\r\n", "ETRN a.b\r\n", "ATRN a.b\r\n"}) {
    EXPECT_EQ(dialogue.Say(line), k503) << line;
  }
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("RCPT TO:<a@b.c>\r\n"), k503);
  dialogue.Say("MAIL FROM:<>\r\n");
  for (absl::string_view line : {"MAIL FROM:<>\r\n", "STARTTLS\r\n", "AUTH PLAIN AHUAcA==\r\n",
                                 "ETRN a.b\r\n", "ATRN a.b\r\n"}) {
    EXPECT_EQ(dialogue.Say(line), k503) << line;
  }
  EXPECT_EQ(dialogue.Say("DATA\r\n"), "554 5.5.1 No valid recipients\r\n");
}

TEST(ServerEngineTest, UnknownAndForeignCommandsAreToldSo) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("FOO\x07 bar\r\n"), "500 5.5.1 Command not recognized\r\n");
  EXPECT_EQ(dialogue.Say("LHLO c\r\n"), "500 5.5.1 Command not recognized\r\n");
  EXPECT_EQ(dialogue.Say("EXPN list\r\n"), "502 5.5.1 Command not implemented\r\n");
  EXPECT_EQ(dialogue.Say("VRFY ann\r\n"), "252 2.5.2 Send some mail and see\r\n");
  EXPECT_EQ(dialogue.Say("VRFY\r\n"), "501 5.5.4 Syntax error in arguments\r\n");
  EXPECT_TRUE(absl::StartsWith(dialogue.Say("HELP\r\n"), "214 2.0.0 "));
  EXPECT_EQ(dialogue.Say("NOOP anything\r\n"), "250 2.0.0 OK\r\n");
  for (absl::string_view line : {"RSET x\r\n", "DATA x\r\n", "QUIT x\r\n", "STARTTLS x\r\n"}) {
    EXPECT_EQ(dialogue.Say(line), "501 5.5.4 Syntax error in arguments\r\n") << line;
  }
  EXPECT_FALSE(dialogue.is_closed());
}

TEST(ServerEngineTest, RsetAndEhloDropTheTransaction) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<a@b.c>\r\nRSET\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"mail a@b.c", "reset"}));
  dialogue.Say("RSET\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{});
  dialogue.Say("MAIL FROM:<a@b.c>\r\nEHLO again.example\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"mail a@b.c", "reset", "ehlo again.example"}));
  EXPECT_EQ(dialogue.Say("RCPT TO:<a@b.c>\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<a@b.c>\r\nEHLO\r\nRCPT TO:<a@b.c>\r\n"),
            "250 2.1.0 Sender OK\r\n501 5.5.4 Syntax error in arguments\r\n"
            "250 2.1.5 Recipient OK\r\n");
}

TEST(ServerEngineTest, PolicyAnswersAreGivenAsTheyAre) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("rcpt", Reply(kNoSuchUser));
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n"),
            "250 2.1.0 Sender OK\r\n550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n");
  dialogue.Say("RSET\r\n");
  dialogue.AnswerWith("mail", Reply(kSenderMismatch));
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\n"),
            "553 5.7.1 Sender not permitted\r\n503 5.5.1 Bad sequence of commands\r\n");
}

TEST(ServerEngineTest, TheAnswerToTheMessageIsThePolicys) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("message", Reply(kInsufficientStorage));
  EXPECT_EQ(
      dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\nRCPT TO:<a@b.c>\r\n"),
      "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
      "354 End data with <CR><LF>.<CR><LF>\r\n452 4.3.1 Insufficient storage\r\n"
      "503 5.5.1 Bad sequence of commands\r\n");
}

TEST(ServerEngineTest, DataCanBeRefusedBeforeItComes) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("content", Reply(kTemporaryFailure));
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nRSET\r\n"),
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "451 4.3.0 Temporary failure, try again later\r\n250 2.0.0 OK\r\n");
}

TEST(ServerEngineTest, A421AnswerEndsTheSession) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("mail", Reply(kTooManyConnections));
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\nNOOP\r\n"), "421 4.7.0 Too many connections\r\n");
  EXPECT_TRUE(dialogue.is_closed());
  EXPECT_EQ(dialogue.close_reason(), event::Close::Reason::kAnswer);
}

TEST(ServerEngineTest, ARefusedConnectionTakesOnlyQuit) {
  ServerDialogue dialogue;
  dialogue.AnswerWith("connect", Reply(kBlocked));
  EXPECT_EQ(
      dialogue.Say("EHLO c\r\nQUIT\r\n"),
      "554 5.7.1 Connection refused\r\n503 5.5.1 Bad sequence of commands\r\n221 2.0.0 Bye\r\n");
  EXPECT_TRUE(dialogue.is_closed());
}

TEST(ServerEngineTest, AddressesArePassedOnOnlyIfTheyAreAddresses) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("MAIL FROM:<a@b@c>\r\n"), "501 5.1.7 Bad sender address syntax\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<ü@b.c>\r\n"), "550 5.6.7 Address needs SMTPUTF8\r\n");
  dialogue.Say("MAIL FROM:<ü@b.c> SMTPUTF8\r\n");
  EXPECT_EQ(dialogue.Say("RCPT TO:<>\r\n"), "501 5.1.3 Bad recipient address syntax\r\n");
  EXPECT_EQ(dialogue.Say("RCPT TO:<@x.org:ü@b.c>\r\n"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_TRUE(dialogue.engine().transmission_type().is_smtp_utf8);
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"mail ü@b.c", "rcpt ü@b.c"}));
}

TEST(ServerEngineTest, ADeclaredSizeIsCheckedAtOnce) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("MAIL FROM:<> SIZE=10001\r\n"),
            "552 5.3.4 Message size exceeds the limit\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<> SIZE=18446744073709551616\r\n"),
            "552 5.3.4 Message size exceeds the limit\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<> SIZE=10000\r\n"), "250 2.1.0 Sender OK\r\n");
}

// --- STARTTLS ---

TEST(ServerEngineStartTlsTest, WhatFollowsInClearIsDiscarded) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@a.b>\r\n"),
            "220 2.0.0 Ready to start TLS\r\n");
  dialogue.Say("RCPT TO:<evil@a.b>\r\nRS");
  dialogue.engine().OnTlsStarted();
  EXPECT_EQ(dialogue.Say("NOOP\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"starttls"});
}

TEST(ServerEngineStartTlsTest, NothingSaidBeforeIsKept) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("STARTTLS\r\n");
  dialogue.engine().OnTlsStarted();
  EXPECT_EQ(dialogue.engine().hello_name(), "");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
  dialogue.Say("EHLO c\r\n");
  EXPECT_EQ(dialogue.Say("STARTTLS\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
  EXPECT_TRUE(dialogue.engine().transmission_type().is_tls);
}

TEST(ServerEngineStartTlsTest, ItIsRefusedAfterAuthAndWhereNotOffered) {
  ServerDialogue dialogue;
  dialogue.Greet(/*with_auth=*/true);
  EXPECT_EQ(dialogue.Say("STARTTLS\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
  ServerOptions options = OptionsForTest();
  options.offered.start_tls = false;
  ServerDialogue other(options);
  other.Greet();
  EXPECT_EQ(other.Say("STARTTLS\r\n"), "502 5.5.1 Command not implemented\r\n");
}

TEST(ServerEngineStartTlsTest, ItCanBeUnavailable) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("starttls", Reply(kTlsUnavailable));
  EXPECT_EQ(dialogue.Say("STARTTLS\r\nNOOP\r\n"),
            "454 4.7.0 TLS not available now\r\n250 2.0.0 OK\r\n");
}

TEST(ServerEngineStartTlsTest, WhereTlsIsRequiredLittleElseIsTaken) {
  ServerOptions options = OptionsForTest();
  options.is_tls_required = true;
  ServerDialogue dialogue(options);
  dialogue.Greet();
  constexpr absl::string_view k530 = "530 5.7.0 Must issue a STARTTLS command first\r\n";
  for (absl::string_view line : {"MAIL FROM:<>\r\n", "AUTH PLAIN AHUAcA==\r\n", "HELO c\r\n",
                                 "RSET\r\n", "ETRN a.b\r\n", "ATRN\r\n", "VRFY x\r\n"}) {
    EXPECT_EQ(dialogue.Say(line), k530) << line;
  }
  EXPECT_EQ(dialogue.Say("NOOP\r\n"), "250 2.0.0 OK\r\n");
  dialogue.Say("STARTTLS\r\n");
  dialogue.engine().OnTlsStarted();
  EXPECT_EQ(dialogue.Say("EHLO c\r\nMAIL FROM:<>\r\n").substr(0, 4), "250-");
  EXPECT_TRUE(dialogue.engine().is_in_transaction());
}

// --- AUTH ---

TEST(ServerEngineAuthTest, InitialResponsesAndChallengesWork) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("AUTH PLAIN AHUAcA==\r\n"), "235 2.7.0 Authentication successful\r\n");
  EXPECT_TRUE(dialogue.engine().is_authenticated());
  ServerDialogue stepwise;
  stepwise.Greet();
  EXPECT_EQ(stepwise.Say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_EQ(stepwise.Say("AHUAcA==\r\n"), "235 2.7.0 Authentication successful\r\n");
  ServerDialogue cram;
  cram.Greet();
  EXPECT_EQ(cram.Say("AUTH CRAM-MD5\r\n"), "334 PDFAbXguZXhhbXBsZS5vcmc+\r\n");
  EXPECT_EQ(cram.Say("dSBhYmM=\r\nNOOP\r\n"),
            "235 2.7.0 Authentication successful\r\n250 2.0.0 OK\r\n");
}

TEST(ServerEngineAuthTest, MalformedExchangesEnd) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("AUTH PLAIN\r\n*\r\n"), "334 \r\n501 5.7.0 Authentication cancelled\r\n");
  EXPECT_EQ(dialogue.Say("AUTH PLAIN\r\n!!!\r\n"),
            "334 \r\n501 5.5.2 Cannot decode the response\r\n");
  EXPECT_EQ(dialogue.Say("AUTH PLAIN !!!\r\n"), "501 5.5.2 Cannot decode the response\r\n");
  EXPECT_EQ(dialogue.Say("AUTH\r\n"), "501 5.5.4 Syntax error in arguments\r\n");
  EXPECT_EQ(dialogue.Say("AUTH FOO\r\n"), "504 5.5.4 Authentication mechanism not offered\r\n");
  EXPECT_EQ(dialogue.Say(absl::StrCat("AUTH PLAIN\r\n", std::string(12288, 'A'), "\r\nNOOP\r\n")),
            "334 \r\n500 5.5.6 Authentication line too long\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"auth PLAIN", "auth cancelled", "auth PLAIN",
                                           "auth cancelled", "auth PLAIN", "auth cancelled"}));
  EXPECT_FALSE(dialogue.engine().is_authenticated());
}

TEST(ServerEngineAuthTest, AResponseOfTheFullLengthIsTaken) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say(absl::StrCat("AUTH CRAM-MD5\r\n", std::string(12284, 'A'), "\r\n"), 1000),
            "334 PDFAbXguZXhhbXBsZS5vcmc+\r\n235 2.7.0 Authentication successful\r\n");
}

TEST(ServerEngineAuthTest, OnceASessionAndNotInATransaction) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<>\r\n");
  EXPECT_EQ(dialogue.Say("AUTH PLAIN AHUAcA==\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
  dialogue.Say("RSET\r\nAUTH PLAIN AHUAcA==\r\n");
  EXPECT_EQ(dialogue.Say("AUTH PLAIN AHUAcA==\r\n"), "503 5.5.1 Bad sequence of commands\r\n");
}

// [RFC4954 4] "not supported or requires an encryption layer"
TEST(ServerEngineAuthTest, MechanismsThatNeedTlsAreUnknownWithoutIt) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("AUTH SCRAM-SHA-256\r\n"),
            "504 5.5.4 Authentication mechanism not offered\r\n");
  ServerOptions options = OptionsForTest();
  options.auth_mechanisms_in_clear.clear();
  ServerDialogue strict(options);
  EXPECT_FALSE(absl::StrContains(strict.Say("EHLO c\r\n"), "AUTH"));
  EXPECT_EQ(strict.Say("AUTH PLAIN AHUAcA==\r\n"),
            "504 5.5.4 Authentication mechanism not offered\r\n");
}

TEST(ServerEngineAuthTest, FailuresAreCounted) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("AUTH PLAIN AHUAeA==\r\n"),
            "535 5.7.8 Authentication credentials invalid\r\n");
  dialogue.Say("AUTH PLAIN AHUAeA==\r\n");
  EXPECT_EQ(dialogue.Say("AUTH PLAIN AHUAeA==\r\nAUTH PLAIN AHUAcA==\r\n"),
            "535 5.7.8 Authentication credentials invalid\r\n"
            "421 4.7.0 Too many failed authentications\r\n");
  EXPECT_EQ(dialogue.close_reason(), event::Close::Reason::kTooManyAuthFailures);
}

TEST(ServerEngineAuthTest, WhereItIsNotOfferedItIsAnsweredAsConfigured) {
  ServerOptions options = OptionsForTest();
  options.auth_mechanisms.clear();
  options.auth_mechanisms_in_clear.clear();
  ServerDialogue plain(options);
  plain.Greet();
  EXPECT_EQ(plain.Say("AUTH PLAIN AHUAcA==\r\n"), "502 5.5.1 Command not implemented\r\n");
  options.unoffered_auth = UnofferedAuth::kUnknown;
  ServerDialogue unknown(options);
  unknown.Greet();
  EXPECT_EQ(unknown.Say("AUTH PLAIN AHUAcA==\r\n"), "500 5.5.1 Command not recognized\r\n");
  EXPECT_EQ(unknown.TakeEvents(), Events{});
  options.unoffered_auth = UnofferedAuth::kReport;
  ServerDialogue report(options);
  report.Greet();
  report.AnswerWith("auth", Reply(kScreened));
  EXPECT_EQ(report.Say("AUTH PLAIN AHUAcA==\r\nNOOP\r\n"), "421 4.7.0 Connection refused\r\n");
  EXPECT_EQ(report.TakeEvents(), (Events{"unoffered auth", "close"}));
}

// --- Roles, ETRN, ATRN ---

TEST(ServerEngineRoleTest, SubmissionNeedsAuthBeforeMail) {
  ServerOptions options = OptionsForTest();
  options.role = ServerRole::kSubmission;
  ServerDialogue dialogue(options);
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\n"), "530 5.7.0 Authentication required\r\n");
  dialogue.Greet(/*with_auth=*/true);
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\n"), "250 2.1.0 Sender OK\r\n");
}

TEST(ServerEngineRoleTest, OdmrTakesLittleBeforeAuthAndNoMailEver) {
  ServerOptions options = OptionsForTest();
  options.role = ServerRole::kOdmr;
  ServerDialogue dialogue(options);
  EXPECT_TRUE(absl::StrContains(dialogue.Say("EHLO c\r\n"), "ATRN"));
  for (absl::string_view line :
       {"HELO c\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<a@b.c>\r\n", "DATA\r\n", "NOOP\r\n", "RSET\r\n",
        "VRFY x\r\n", "ETRN a.b\r\n", "HELP\r\n"}) {
    EXPECT_EQ(dialogue.Say(line), "502 5.5.1 Command not implemented\r\n") << line;
  }
  EXPECT_EQ(dialogue.Say("ATRN a.b\r\n"), "530 5.7.0 Authentication required\r\n");
  EXPECT_EQ(dialogue.Say("ATRN a b,\r\n"), "530 5.7.0 Authentication required\r\n");
  dialogue.Say("AUTH PLAIN AHUAcA==\r\n");
  EXPECT_EQ(dialogue.Say("MAIL FROM:<>\r\n"), "502 5.5.1 Command not implemented\r\n");
  EXPECT_EQ(dialogue.Say("NOOP\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.Say("ATRN a.b\r\n"), "250 2.0.0 OK now reversing the connection\r\n");
}

TEST(ServerEngineEtrnTest, RepliesAreOneLine) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("ETRN Example.ORG\r\n"), "250 2.0.0 Queuing started\r\n");
  dialogue.AnswerWith("etrn", Reply(kPendingCountStarted, "42 pending messages started\nfor you"));
  EXPECT_EQ(dialogue.Say("ETRN @example.org\r\nETRN #example.org\r\n"),
            "253 2.0.0 42 pending messages started\r\n253 2.0.0 42 pending messages started\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"etrn 0 example.org", "etrn 1 example.org", "etrn 2 example.org"}));
}

TEST(ServerEngineEtrnTest, MalformedArgumentsNeverReachPolicy) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("ETRN\r\n"), "500 5.5.4 Argument missing\r\n");
  for (absl::string_view argument : {"com", "!x.org", "'||x", "../../x", "a.b c.d"}) {
    EXPECT_EQ(dialogue.Say(absl::StrCat("ETRN ", argument, "\r\n")),
              "501 5.5.4 Syntax error in arguments\r\n");
  }
  EXPECT_EQ(dialogue.Say(absl::StrCat("ETRN ", std::string(65536, 'a'), "\r\n"), 999),
            "500 5.5.2 Line too long\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{});
}

TEST(ServerEngineEtrnTest, WhereNotOfferedItIs502) {
  ServerOptions options = OptionsForTest();
  options.offered.etrn = options.offered.atrn = false;
  ServerDialogue dialogue(options);
  EXPECT_FALSE(absl::StrContains(dialogue.Say("EHLO c\r\n"), "TRN"));
  EXPECT_EQ(dialogue.Say("ETRN a.b\r\n"), "502 5.5.1 Command not implemented\r\n");
  EXPECT_EQ(dialogue.Say("ATRN a.b\r\n"), "502 5.5.1 Command not implemented\r\n");
}

TEST(ServerEngineAtrnTest, RolesTurnAndPipelinedInputIsDiscarded) {
  ServerDialogue dialogue;
  dialogue.Greet(/*with_auth=*/true);
  EXPECT_EQ(dialogue.Say("ATRN a.example,b.example\r\n220 forged\r\nEHLO evil\r\n"),
            "250 2.0.0 OK now reversing the connection\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"atrn a.example,b.example", "turned"}));
  EXPECT_EQ(dialogue.Say("NOOP\r\n"), "");
}

TEST(ServerEngineAtrnTest, RefusalsAreOneLineAndTheSessionGoesOn) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("ATRN a.b\r\n"), "530 5.7.0 Authentication required\r\n");
  dialogue.Greet(/*with_auth=*/true);
  dialogue.AnswerWith("atrn", Reply(kYouHaveNoMail, "You have\nno mail"));
  EXPECT_EQ(dialogue.Say("ATRN\r\nNOOP\r\n"), "453 4.0.0 You have\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.Say("ATRN a.b,\r\n"), "501 5.5.4 Syntax error in arguments\r\n");
}

// --- Ends from our side ---

TEST(ServerEngineDrainTest, IdleSessionsEndAtOnce) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.engine().Drain(kShuttingDown);
  EXPECT_EQ(dialogue.Say(""), "421 4.3.2 Service shutting down\r\n");
  EXPECT_TRUE(dialogue.is_closed());
}

TEST(ServerEngineDrainTest, TransactionsAreFinished) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<>\r\n");
  dialogue.engine().Drain(kShuttingDown);
  EXPECT_EQ(dialogue.Say("RCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\n"),
            "250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
            "250 2.0.0 Message accepted\r\n421 4.3.2 Service shutting down\r\n");
}

TEST(ServerEngineDrainTest, TerminateEndsAnywhere) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nhalf a mess");
  dialogue.engine().Terminate(kTimeout);
  EXPECT_EQ(dialogue.Say("age\r\n.\r\n"), "421 4.4.2 Timeout\r\n");
  EXPECT_TRUE(dialogue.is_closed());
  EXPECT_TRUE(dialogue.messages().empty());
}

}  // namespace
}  // namespace turnpike::smtp
