// Bounds, and that input may be cut anywhere.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/server_dialogue_testing.h"
#include "services/common/smtp/server_engine.h"

namespace turnpike::smtp {
namespace {

using Events = std::vector<std::string>;
using Reason = event::Close::Reason;

TEST(ServerEngineLimitsTest, LongCommandLinesAreSwallowed) {
  ServerDialogue dialogue;
  dialogue.Greet();
  const std::string fits(512 - 7, 'x');
  EXPECT_EQ(dialogue.Say(absl::StrCat("NOOP ", fits, "\r\n")), "250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.Say(absl::StrCat("NOOP ", fits, "x\r\nNOOP\r\n")),
            "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue.Say(absl::StrCat("NOOP ", std::string(1 << 20, 'x'), "\r\nNOOP\r\n"), 4096),
            "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue
                .Say(absl::StrCat("MAIL FROM:<a@b.c> ENVID=", std::string(100, 'x'),
                                  " AUTH=", std::string(490, 'a'), "@b.c\r\n"))
                .substr(0, 3),
            "501");
}

TEST(ServerEngineLimitsTest, BareNewlinesInCommandsEndTheSession) {
  for (absl::string_view input : {"NOOP\n", "NOOP\rNOOP\r\n", "\n", "NOOP\r\r\n", "NO\nOP\r\n"}) {
    ServerDialogue dialogue;
    dialogue.Greet();
    EXPECT_EQ(dialogue.Say(absl::StrCat(input, "NOOP\r\n")),
              "521 5.5.2 Lines must end in CR LF\r\n");
    EXPECT_EQ(dialogue.close_reason(), Reason::kBareNewline);
  }
}

TEST(ServerEngineLimitsTest, NulInACommandIsAnError) {
  ServerDialogue dialogue;
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say(absl::string_view("NOOP \0\r\n", 8)), "500 5.5.2 Malformed command\r\n");
}

TEST(ServerEngineLimitsTest, RecipientsPastTheLimitAre452) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<>\r\n");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(dialogue.Say("RCPT TO:<a@b.c>\r\n"), "250 2.1.5 Recipient OK\r\n");
  }
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(dialogue.Say("RCPT TO:<a@b.c>\r\n"), "452 4.5.3 Too many recipients\r\n");
  }
  EXPECT_EQ(dialogue.Say("DATA\r\nx\r\n.\r\n"),
            "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Message accepted\r\n");
}

TEST(ServerEngineLimitsTest, AThousandRecipientsAreTheDefault) {
  EXPECT_EQ(ServerOptions().recipients_max, 1000u);
}

TEST(ServerEngineLimitsTest, JunkEndsTheSession) {
  ServerDialogue dialogue;
  dialogue.Greet();
  std::string replies;
  for (int i = 0; i < 30; ++i) replies += dialogue.Say("JUNK\r\n");
  EXPECT_TRUE(absl::EndsWith(replies, "421 4.7.0 Too many errors\r\n"));
  EXPECT_EQ(dialogue.close_reason(), Reason::kTooManyErrors);
}

TEST(ServerEngineLimitsTest, FloodsOfHarmlessCommandsEndTheSession) {
  for (absl::string_view line : {"NOOP\r\n", "RSET\r\n", "VRFY a\r\n", "HELP\r\n", "EHLO a\r\n",
                                 "ETRN a.b\r\n", "MAIL FROM:<>\r\nRSET\r\n"}) {
    ServerDialogue dialogue;
    dialogue.Greet();
    for (int i = 0; i < 150; ++i) dialogue.Say(line);
    EXPECT_EQ(dialogue.close_reason(), Reason::kTooManyIdleCommands) << line;
    EXPECT_TRUE(dialogue.is_closed()) << line;
  }
}

TEST(ServerEngineLimitsTest, MailWipesTheSlate) {
  ServerDialogue dialogue;
  dialogue.Greet();
  for (int i = 0; i < 150; ++i) {
    dialogue.Say("RSET\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\n");
  }
  EXPECT_FALSE(dialogue.is_closed());
  EXPECT_EQ(dialogue.messages().size(), 150u);
}

TEST(ServerEngineLimitsTest, HarvestingEndsTheSession) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.AnswerWith("rcpt", Reply(kNoSuchUser));
  dialogue.Say("MAIL FROM:<>\r\n");
  int refused = 0;
  while (!dialogue.is_closed() && refused < 1000) {
    dialogue.Say("RCPT TO:<a@b.c>\r\n");
    ++refused;
  }
  EXPECT_EQ(refused, 101);
  EXPECT_EQ(dialogue.close_reason(), Reason::kTooManyRefusals);
}

TEST(ServerEngineLimitsTest, ChunksAreCounted) {
  ServerOptions options = OptionsForTest();
  options.chunks_max = 10;
  ServerDialogue dialogue(options);
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\n");
  for (int i = 0; i < 11; ++i) dialogue.Say("BDAT 1\r\nx");
  EXPECT_EQ(dialogue.close_reason(), Reason::kTooManyChunks);
}

TEST(ServerEngineLimitsTest, RepliesNeverEchoInput) {
  ServerDialogue dialogue;
  dialogue.Greet();
  std::string replies;
  for (absl::string_view line :
       {"PWNED\x07\x7f\r\n", "MAIL FROM:<PWNED\x07>\r\n", "EHLO PWNED\x01\r\n", "ETRN PWNED\r\n",
        "MAIL PWNED\r\n", "AUTH PWNED\r\n", "BDAT PWNED\r\n"}) {
    replies += dialogue.Say(line);
  }
  EXPECT_FALSE(absl::StrContains(replies, "PWNED"));
  for (char c : replies) EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\r' || c == '\n');
}

// What a dialogue looks like from outside must not depend on how TCP cut it.
struct Outcome {
  std::string replies;
  Events events;
  std::vector<std::string> messages;
  bool is_closed;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome Converse(absl::string_view input, size_t step) {
  ServerDialogue dialogue;
  Outcome outcome;
  outcome.replies = dialogue.Say(input, step);
  outcome.events = dialogue.TakeEvents();
  outcome.messages = dialogue.messages();
  outcome.is_closed = dialogue.is_closed();
  return outcome;
}

std::string LongDialogue() {
  std::string text =
      "EHLO client.example\r\nNOOP\r\nbogus\r\nMAIL FROM:<a@b.c> SIZE=100 BODY=8BITMIME\r\n"
      "RCPT TO:<d@e.f> NOTIFY=NEVER\r\nRCPT TO:<@r:x@y.z>\r\nRCPT TO:<bad\r\nDATA\r\n"
      "Received: x\r\nSubject: y\r\n\r\n..\r\n.a\r\nb\r\n.\r\nAUTH PLAIN\r\nAHUAcA==\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nBDAT 10\r\nab\r\n.\r\nc\r\nBDAT 0\r\nBDAT 5 "
      "LAST\r\nd\r\n\r\n";
  absl::StrAppend(&text, "MAIL FROM:<>\r\nRSET\r\nNOOP ", std::string(600, 'x'), "\r\n");
  absl::StrAppend(&text, "ETRN a.example\r\nMAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
  for (int i = 0; i < 60; ++i) text += "Received: loop\r\n";
  absl::StrAppend(&text, "\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n");
  for (int i = 0; i < 12; ++i) absl::StrAppend(&text, std::string(998, 'x'), "\r\n");
  absl::StrAppend(&text, "..\r\n.\r\nVRFY x\r\nBDAT 5\r\nQUIT\nATRN a.example\r\nQUIT\r\n");
  return text;
}

TEST(ServerEngineSplitTest, ADialogueIsTheSameHoweverItIsCut) {
  const std::string input = LongDialogue();
  const Outcome whole = Converse(input, std::string::npos);
  EXPECT_EQ(whole.messages.size(), 2u);
  EXPECT_TRUE(whole.is_closed);
  for (size_t step : {1, 2, 3, 5, 7, 11, 64, 100, 511, 512, 513, 4096}) {
    EXPECT_EQ(Converse(input, step), whole) << step;
  }
}

TEST(ServerEngineSplitTest, RandomDialoguesAreTheSameHoweverTheyAreCut) {
  const std::vector<std::string> pieces = {"EHLO a\r\n",
                                           "MAIL FROM:<a@b.c>\r\n",
                                           "RCPT TO:<d@e.f>\r\n",
                                           "DATA\r\n",
                                           "x\r\n",
                                           ".\r\n",
                                           "..\r\n",
                                           "RSET\r\n",
                                           "BDAT 4\r\n",
                                           "BDAT 3 LAST\r\n",
                                           "ab\r\n",
                                           "AUTH PLAIN\r\n",
                                           "AHUAcA==\r\n",
                                           "*\r\n",
                                           "NOOP\r\n",
                                           "junk\r\n",
                                           "ETRN a.b\r\n",
                                           "RCPT TO:<x@y>\r\n",
                                           "MAIL FROM:<>\r\n",
                                           "\r\n.\r\n",
                                           "EHLO b\r\n",
                                           "BDAT 0 LAST\r\n",
                                           "HELO c\r\n",
                                           "VRFY x\r\n"};
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string input = "EHLO a\r\n";
    for (int i = 0; i < 40; ++i) input += pieces[random() % pieces.size()];
    const Outcome whole = Converse(input, std::string::npos);
    EXPECT_EQ(Converse(input, 1), whole) << input;
    EXPECT_EQ(Converse(input, 1 + random() % 50), whole) << input;
  }
}

}  // namespace
}  // namespace turnpike::smtp
