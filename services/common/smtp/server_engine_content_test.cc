// Content by DATA and BDAT, and everything that tries to end it early.
#include <gtest/gtest.h>

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

constexpr absl::string_view kEnvelope = "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n";
constexpr absl::string_view k503 = "503 5.5.1 Bad sequence of commands\r\n";
constexpr absl::string_view kChunk = "250 2.0.0 Chunk received\r\n";
constexpr absl::string_view kAccepted = "250 2.0.0 Message accepted\r\n";

// A session after its envelope.
class ServerEngineContentTest : public testing::Test {
 protected:
  ServerEngineContentTest() {
    dialogue_.Greet();
    dialogue_.Say(kEnvelope);
    dialogue_.TakeEvents();
  }
  ServerDialogue dialogue_;
};

using ServerEngineDataTest = ServerEngineContentTest;
using ServerEngineBdatTest = ServerEngineContentTest;

TEST_F(ServerEngineDataTest, SmuggledCommandsAreContentAndTheSessionEnds) {
  const std::string nul(1, '\0');
  for (const std::string& end :
       {std::string("\n.\n"), std::string("\n.\r\n"), std::string("\r\n.\n"), std::string("\r.\r"),
        std::string("\r.\r\n"), std::string("\r\n.\r"), std::string("\r\r\n.\r\r\n"),
        std::string("\n\r.\n\r"), std::string("\r\n.\r\r\n"), absl::StrCat("\r", nul, "\n.\r\n")}) {
    ServerDialogue dialogue;
    dialogue.Greet();
    dialogue.Say(kEnvelope);
    const std::string replies = dialogue.Say(
        absl::StrCat("DATA\r\nx", end, "MAIL FROM:<evil@a.b>\r\nRCPT TO:<x@y.z>\r\nDATA\r\n",
                     "evil\r\n.\r\nNOOP\r\n"),
        7);
    EXPECT_EQ(
        replies,
        "354 End data with <CR><LF>.<CR><LF>\r\n550 5.5.2 Message lines must end in CR LF\r\n")
        << testing::PrintToString(end);
    EXPECT_TRUE(dialogue.messages().empty());
    EXPECT_EQ(dialogue.close_reason(), event::Close::Reason::kBareNewline);
  }
}

TEST_F(ServerEngineDataTest, NulIsRefusedAndTheSessionGoesOn) {
  const std::string nul(1, '\0');
  EXPECT_EQ(dialogue_.Say(absl::StrCat("DATA\r\na", nul, "\r\n.", nul, "\r\n.\r\nNOOP\r\n")),
            "354 End data with <CR><LF>.<CR><LF>\r\n550 5.6.0 Message holds NUL octets\r\n"
            "250 2.0.0 OK\r\n");
}

TEST_F(ServerEngineDataTest, WhatIsTooBigIsSwallowedToItsTrueEnd) {
  std::string input = "DATA\r\n";
  for (int i = 0; i < 20; ++i) absl::StrAppend(&input, std::string(1000, 'x'), "\r\n");
  absl::StrAppend(&input, "\r\n.x\r\n..\r\nMAIL FROM:<evil@a.b>\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(dialogue_.Say(input, 100),
            "354 End data with <CR><LF>.<CR><LF>\r\n552 5.3.4 Message size exceeds the limit\r\n"
            "250 2.0.0 OK\r\n");
  EXPECT_EQ(dialogue_.TakeEvents(),
            (Events{"data", "refused 552 5.3.4 Message size exceeds the limit"}));
}

TEST_F(ServerEngineDataTest, LoopsAreRefused) {
  std::string input = "DATA\r\n";
  for (int i = 0; i < 51; ++i) input += "Received: from a\r\n";
  input += "\r\nbody\r\n.\r\nNOOP\r\n";
  EXPECT_EQ(dialogue_.Say(input),
            "354 End data with <CR><LF>.<CR><LF>\r\n"
            "554 5.4.6 Too many Received fields: mail loop\r\n250 2.0.0 OK\r\n");
}

TEST_F(ServerEngineDataTest, LargeContentComesInChunksOfTheSink) {
  std::string content;
  for (int i = 0; i < 9; ++i) absl::StrAppend(&content, std::string(998, 'a' + i), "\r\n");
  dialogue_.Say(absl::StrCat("DATA\r\n", content, ".\r\n"), 500);
  EXPECT_EQ(dialogue_.messages(), std::vector<std::string>{content});
}

TEST_F(ServerEngineDataTest, TheCallerCanRefuseWhileItComes) {
  dialogue_.RefuseContentWith(kInsufficientStorage);
  std::string input = "DATA\r\n";
  for (int i = 0; i < 5; ++i) absl::StrAppend(&input, std::string(998, 'x'), "\r\n");
  EXPECT_EQ(dialogue_.Say(absl::StrCat(input, "bare\n.\n\r\n.\r\nNOOP\r\n"), 700),
            "354 End data with <CR><LF>.<CR><LF>\r\n452 4.3.1 Insufficient storage\r\n"
            "250 2.0.0 OK\r\n");
  EXPECT_TRUE(dialogue_.messages().empty());
}

// --- BDAT ---

TEST_F(ServerEngineBdatTest, AChunkIsAnsweredWhenItIsComplete) {
  EXPECT_EQ(dialogue_.Say("BDAT 8\r\nab\r\nc"), "");
  EXPECT_EQ(dialogue_.Say("d\r"), "");
  EXPECT_EQ(dialogue_.Say("\nBDAT 2 LAST\r\n\r"), kChunk);
  EXPECT_EQ(dialogue_.Say("\n"), kAccepted);
}

TEST_F(ServerEngineBdatTest, CountedOctetsAreNeverAnEnd) {
  EXPECT_EQ(dialogue_.Say("BDAT 12\r\na\r\n.\r\nQUIT\r\nBDAT 3 LAST\r\nx\r\nNOOP\r\n", 5),
            absl::StrCat(kChunk, kAccepted, "250 2.0.0 OK\r\n"));
  EXPECT_EQ(dialogue_.messages(), std::vector<std::string>{"a\r\n.\r\nQUIT\r\nx\r\n"});
  EXPECT_EQ(dialogue_.TakeEvents(), (Events{"chunks", "message 15"}));
}

TEST_F(ServerEngineBdatTest, AnEmptyLastChunkEndsTheMessage) {
  EXPECT_EQ(dialogue_.Say("BDAT 3\r\na\r\nBDAT 0 LAST\r\n"), absl::StrCat(kChunk, kAccepted));
  dialogue_.Say(kEnvelope);
  EXPECT_EQ(dialogue_.Say("BDAT 0 LAST\r\n"), kAccepted);
}

TEST_F(ServerEngineBdatTest, ChunksAreSwallowedEvenWithoutATransaction) {
  dialogue_.Say("RSET\r\n");
  EXPECT_EQ(dialogue_.Say("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
            absl::StrCat(k503, "250 2.0.0 OK\r\n"));
  dialogue_.AnswerWith("rcpt", Reply(kNoSuchUser));
  EXPECT_EQ(dialogue_.Say("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
            "250 2.1.0 Sender OK\r\n550 5.1.1 No such user\r\n554 5.5.1 No valid recipients\r\n"
            "250 2.0.0 OK\r\n");
  EXPECT_FALSE(dialogue_.is_closed());
}

TEST_F(ServerEngineBdatTest, ChunksAreSwallowedInEveryState) {
  ServerOptions options = OptionsForTest();
  options.is_tls_required = true;
  ServerDialogue dialogue(options);
  dialogue.Greet();
  EXPECT_EQ(dialogue.Say("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", 3),
            "530 5.7.0 Must issue a STARTTLS command first\r\n250 2.0.0 OK\r\n");
  ServerDialogue refused;
  refused.AnswerWith("connect", Reply(kBlocked));
  refused.Say("");
  EXPECT_EQ(refused.Say("BDAT 6\r\nQUIT\r\nNOOP\r\n"), absl::StrCat(k503, k503));
}

TEST_F(ServerEngineBdatTest, AChunkWithoutAKnownEndEndsTheSession) {
  for (absl::string_view argument :
       {"-1", "0x10", "18446744073709551616", "LAST 5", "", "5 FIRST"}) {
    ServerDialogue dialogue;
    dialogue.Greet();
    dialogue.Say(kEnvelope);
    EXPECT_EQ(dialogue.Say(absl::StrCat("BDAT ", argument, "\r\nMAIL FROM:<evil@a.b>\r\n")),
              "501 5.5.4 Syntax error in arguments\r\n");
    EXPECT_EQ(dialogue.close_reason(), event::Close::Reason::kBadChunkSize);
  }
}

TEST_F(ServerEngineBdatTest, DataAndMailDoNotMixWithChunks) {
  EXPECT_EQ(dialogue_.Say("BDAT 3\r\na\r\nDATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nSTARTTLS\r\n"),
            absl::StrCat(kChunk, k503, k503, k503, k503));
  EXPECT_EQ(dialogue_.Say("BDAT 0 LAST\r\n"), kAccepted);
}

TEST_F(ServerEngineBdatTest, RsetBetweenChunksDropsThem) {
  EXPECT_EQ(dialogue_.Say("BDAT 3\r\na\r\nRSET\r\nBDAT 3 LAST\r\nb\r\n"),
            absl::StrCat(kChunk, "250 2.0.0 OK\r\n", k503));
  EXPECT_EQ(dialogue_.TakeEvents(), (Events{"chunks", "reset"}));
  EXPECT_TRUE(dialogue_.messages().empty());
}

TEST_F(ServerEngineBdatTest, ARefusedMessageSwallowsAllItsChunks) {
  dialogue_.AnswerWith("content", Reply(kInsufficientStorage));
  constexpr absl::string_view k452 = "452 4.3.1 Insufficient storage\r\n";
  EXPECT_EQ(dialogue_.Say("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", 4),
            absl::StrCat(k452, k452, "250 2.0.0 OK\r\n"));
  EXPECT_EQ(dialogue_.TakeEvents(), Events{"chunks"});
}

TEST_F(ServerEngineBdatTest, ChunksPastTheSizeLimitAreRefusedAndSwallowed) {
  EXPECT_EQ(dialogue_.Say("BDAT 9000\r\n"), "");
  std::string lines;
  for (int i = 0; i < 9; ++i) absl::StrAppend(&lines, std::string(998, 'x'), "\r\n");
  EXPECT_EQ(dialogue_.Say(lines), kChunk);
  EXPECT_EQ(dialogue_.Say(absl::StrCat("BDAT 2000 LAST\r\n", std::string(2000, 'Q'), "NOOP\r\n")),
            "552 5.3.4 Message size exceeds the limit\r\n250 2.0.0 OK\r\n");
  EXPECT_FALSE(dialogue_.engine().is_in_transaction());
}

TEST_F(ServerEngineBdatTest, BareNewlinesInTextChunksEndTheSession) {
  EXPECT_EQ(dialogue_.Say("BDAT 4\r\na\nb\nBDAT 2 LAST\r\n\r\n"),
            "550 5.5.2 Message lines must end in CR LF\r\n");
  EXPECT_TRUE(dialogue_.is_closed());
}

TEST(ServerEngineBinaryMimeTest, BinaryContentMayHoldAnythingButNeedsBdat) {
  ServerDialogue dialogue;
  dialogue.Greet();
  dialogue.Say("MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@b.c>\r\n");
  EXPECT_EQ(dialogue.Say("DATA\r\n"), k503);
  EXPECT_EQ(dialogue.Say("BDAT 5 LAST\r\n\n\r.\n\nNOOP\r\n"),
            absl::StrCat(kAccepted, "250 2.0.0 OK\r\n"));
  EXPECT_EQ(dialogue.messages(), std::vector<std::string>{"\n\r.\n\n"});
}

}  // namespace
}  // namespace turnpike::smtp
