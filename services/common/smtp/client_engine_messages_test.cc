// What is sent of a message, and what each reply makes of its recipients.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/smtp/client_dialogue_testing.h"
#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

using Events = std::vector<std::string>;

constexpr absl::string_view kMail = "MAIL FROM:<ann@a.example>\r\n";
constexpr absl::string_view kRcptBob = "RCPT TO:<bob@b.example>\r\n";
constexpr absl::string_view kRcptCat = "RCPT TO:<cat@b.example>\r\n";
constexpr absl::string_view kContent = "Subject: x\r\n\r\nhello\r\n";

const std::vector<std::string>& TwoRecipients() {
  static const auto& recipients = *new std::vector<std::string>{"bob@b.example", "cat@b.example"};
  return recipients;
}

TEST(ClientEngineMessageTest, WithoutPipeliningEachReplyIsAwaited) {
  ClientDialogue dialogue;
  dialogue.Open();
  EXPECT_EQ(dialogue.Send(MessageForTest()), kMail);
  EXPECT_EQ(dialogue.Hear("250 ok\r\n"), kRcptBob);
  EXPECT_EQ(dialogue.Hear("250 ok\r\n"), "DATA\r\n");
  EXPECT_EQ(dialogue.Hear("354 go\r\n"), absl::StrCat(kContent, ".\r\n"));
  EXPECT_EQ(dialogue.engine().waiting(), ClientEngine::Waiting::kEndOfData);
  EXPECT_FALSE(dialogue.engine().can_send());
  EXPECT_EQ(dialogue.Hear("250 2.0.0 queued\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"1 delivered end 250 2.0.0 queued"});
  EXPECT_EQ(dialogue.Send(MessageForTest()), kMail);
}

TEST(ClientEngineMessageTest, WithPipeliningTheEnvelopeGoesAtOnce) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  EXPECT_EQ(dialogue.Send(MessageForTest(TwoRecipients())),
            absl::StrCat(kMail, kRcptBob, kRcptCat, "DATA\r\n"));
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n550 5.1.1 who\r\n354 go\r\n", 3),
            absl::StrCat(kContent, ".\r\n"));
  dialogue.Hear("250 done\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 delivered end 250 done", "1 permanent rcpt 550 5.1.1 who"}));
}

TEST(ClientEngineMessageTest, QuestionEndsWithTheRecipients) {
  for (const absl::string_view capabilities : {"", "PIPELINING", "PIPELINING|CHUNKING"}) {
    ClientDialogue dialogue;
    dialogue.Open(std::string(capabilities));
    smtp::OutgoingMessage message = MessageForTest(TwoRecipients());
    message.is_question = true;
    std::string said = dialogue.Send(std::move(message));
    for (const char* reply : {"250 ok\r\n", "250 2.1.5 here\r\n", "550 5.1.1 who\r\n"}) {
      said += dialogue.Hear(reply);
    }
    EXPECT_EQ(said, absl::StrCat(kMail, kRcptBob, kRcptCat)) << capabilities;
    EXPECT_EQ(dialogue.TakeEvents(),
              (Events{"1 delivered rcpt 250 2.1.5 here", "1 permanent rcpt 550 5.1.1 who"}));
    EXPECT_EQ(dialogue.Send(MessageForTest()).substr(0, 6), "RSET\r\n");
  }
}

TEST(ClientEngineMessageTest, ManyRecipientsGoInBoundedGroups) {
  ClientDialogue dialogue({.host_name = "us.example", .pipelined_commands_max = 10});
  dialogue.Open("PIPELINING");
  const std::vector<std::string> recipients(50, "bob@b.example");
  std::string said = dialogue.Send(MessageForTest(recipients));
  EXPECT_EQ(said.size(), kMail.size() + 9 * kRcptBob.size());
  for (int i = 0; i < 51; ++i) said += dialogue.Hear("250 ok\r\n");
  EXPECT_EQ(said.size(), kMail.size() + 50 * kRcptBob.size() + 6);
}

TEST(ClientEngineMessageTest, ContentIsStuffedInWhateverPiecesItComes) {
  for (size_t piece_bytes : {1, 2, 3, 5, 100}) {
    ClientDialogue dialogue;
    dialogue.set_content(".\r\n.a\r\nb\r\n..", piece_bytes);
    dialogue.Open("PIPELINING");
    dialogue.Send(MessageForTest());
    EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n"), "..\r\n..a\r\nb\r\n...\r\n.\r\n");
  }
}

TEST(ClientEngineMessageTest, ARefusedMailRefusesAllRecipients) {
  ClientDialogue pipelined;
  pipelined.Open("PIPELINING");
  pipelined.Send(MessageForTest(TwoRecipients()));
  EXPECT_EQ(pipelined.Hear("550 5.7.1 no\r\n503 seq\r\n503 seq\r\n"), "");
  EXPECT_FALSE(pipelined.engine().can_send());
  pipelined.Hear("503 seq\r\n");
  EXPECT_EQ(pipelined.TakeEvents(),
            (Events{"1 permanent mail 550 5.7.1 no", "1 permanent mail 550 5.7.1 no"}));
  EXPECT_TRUE(absl::StartsWith(pipelined.Send(MessageForTest()), kMail));

  ClientDialogue plain;
  plain.Open();
  plain.Send(MessageForTest(TwoRecipients()));
  EXPECT_EQ(plain.Hear("451 4.3.0 later\r\n"), "");
  EXPECT_EQ(plain.TakeEvents(),
            (Events{"1 transient mail 451 4.3.0 later", "1 transient mail 451 4.3.0 later"}));
  EXPECT_EQ(plain.Send(MessageForTest()), kMail);
}

TEST(ClientEngineMessageTest, WhenAllRecipientsAreRefusedTheTransactionIsReset) {
  ClientDialogue plain;
  plain.Open();
  plain.Send(MessageForTest());
  plain.Hear("250 ok\r\n");
  EXPECT_EQ(plain.Hear("550 who\r\n"), "");
  EXPECT_EQ(plain.TakeEvents(), Events{"1 permanent rcpt 550 who"});
  EXPECT_EQ(plain.Send(MessageForTest()), "RSET\r\n");
  EXPECT_EQ(plain.Hear("250 ok\r\n"), kMail);

  ClientDialogue pipelined;
  pipelined.Open("PIPELINING");
  pipelined.Send(MessageForTest());
  pipelined.Hear("250 ok\r\n550 who\r\n554 none\r\n");
  EXPECT_EQ(pipelined.Send(MessageForTest()),
            absl::StrCat("RSET\r\n", kMail, kRcptBob, "DATA\r\n"));
}

TEST(ClientEngineMessageTest, A354WithoutRecipientsGetsAnEmptyMessage) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  EXPECT_EQ(dialogue.Hear("250 ok\r\n550 who\r\n354 go\r\n"), ".\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{});
  dialogue.Hear("554 no recipients\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"1 permanent rcpt 550 who"});
  EXPECT_TRUE(absl::StartsWith(dialogue.Send(MessageForTest()), kMail));
}

TEST(ClientEngineMessageTest, RefusalsOfDataAndOfTheContentAreTold) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest(TwoRecipients()));
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n450 grey\r\n451 4.3.0 full\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 transient data 451 4.3.0 full", "1 transient rcpt 450 grey"}));
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  dialogue.Hear("554 5.6.0 spam\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"2 permanent end 554 5.6.0 spam"});
  EXPECT_EQ(dialogue.Send(MessageForTest()).substr(0, 4), "MAIL");
}

TEST(ClientEngineMessageTest, OneRefusedRecipientCanEndTheMessageForAll) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  OutgoingMessage message = MessageForTest(TwoRecipients());
  message.is_aborted_by_refused_recipient = true;
  EXPECT_EQ(dialogue.Send(std::move(message)), absl::StrCat(kMail, kRcptBob, kRcptCat));
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n550 5.1.1 who\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 permanent rcpt 550 5.1.1 who", "1 permanent rcpt 550 5.1.1 who"}));
  EXPECT_EQ(dialogue.Send(MessageForTest()).substr(0, 4), "RSET");
}

TEST(ClientEngineMessageTest, HindrancesAreKnownBeforeAnythingIsSent) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  OutgoingMessage message = MessageForTest();
  message.body_has_8bit = true;
  EXPECT_EQ(dialogue.Send(std::move(message)), "");
  EXPECT_EQ(dialogue.TakeEvents(),
            Events{"1 permanent local 554 5.6.3 Conversion required, not supported (ours)"});
  EXPECT_TRUE(dialogue.engine().can_send());
}

TEST(ClientEngineMessageTest, ParametersGoWhereTheyAreOffered) {
  OutgoingMessage message = MessageForTest();
  message.parameters = {.size_bytes = 21,
                        .body = BodyType::k8BitMime,
                        .ret = DsnReturn::kHeaders,
                        .envelope_id = "q 1"};
  message.recipients[0].parameters.notify = DsnNotify{.failure = true};
  ClientDialogue full;
  full.Open("PIPELINING|SIZE|8BITMIME|DSN");
  EXPECT_EQ(full.Send(message),
            "MAIL FROM:<ann@a.example> SIZE=21 BODY=8BITMIME RET=HDRS ENVID=q+201\r\n"
            "RCPT TO:<bob@b.example> NOTIFY=FAILURE\r\nDATA\r\n");
  ClientDialogue bare;
  bare.Open("PIPELINING");
  EXPECT_EQ(bare.Send(message), absl::StrCat(kMail, kRcptBob, "DATA\r\n"));
}

TEST(ClientEngineMessageTest, UndeclaredEightBitContentIsDeclared) {
  OutgoingMessage message = MessageForTest();
  message.body_has_8bit = true;
  ClientDialogue dialogue;
  dialogue.Open("8BITMIME");
  EXPECT_EQ(dialogue.Send(message), "MAIL FROM:<ann@a.example> BODY=8BITMIME\r\n");
}

// --- One message behind another ---

TEST(ClientEngineOverlapTest, TheNextEnvelopeGoesBeforeTheAnswer) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n");
  ASSERT_TRUE(dialogue.engine().can_send());
  EXPECT_EQ(dialogue.Send(MessageForTest()), absl::StrCat(kMail, kRcptBob, "DATA\r\n"));
  EXPECT_FALSE(dialogue.engine().can_send());
  dialogue.Hear("250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  dialogue.Hear("250 second\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 delivered end 250 first", "2 delivered end 250 second"}));
}

TEST(ClientEngineOverlapTest, TheEndOfDataWaitsForItsRelease) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n");
  OutgoingMessage held = MessageForTest();
  held.is_end_of_data_held = true;
  const uint64_t id = dialogue.engine().Send(std::move(held));
  dialogue.Go();
  EXPECT_EQ(dialogue.Hear("250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n"), kContent);
  EXPECT_EQ(dialogue.TakeEvents(), (Events{"1 delivered end 250 first", "held 2"}));
  EXPECT_EQ(dialogue.Go(), "");
  EXPECT_FALSE(dialogue.engine().can_send());
  dialogue.engine().ReleaseEndOfData(id);
  EXPECT_EQ(dialogue.Go(), ".\r\n");
  dialogue.engine().ReleaseEndOfData(id);
  EXPECT_EQ(dialogue.Go(), "");
  dialogue.Hear("250 second\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"2 delivered end 250 second"});
}

TEST(ClientEngineOverlapTest, AnEarlyReleaseIsRemembered) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  OutgoingMessage message = MessageForTest();
  message.is_end_of_data_held = true;
  const uint64_t id = dialogue.engine().Send(std::move(message));
  dialogue.engine().ReleaseEndOfData(id);
  dialogue.Go();
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n"), absl::StrCat(kContent, ".\r\n"));
}

TEST(ClientEngineOverlapTest, AHeldMessageThatIsLostIsNotUnknown) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n");
  OutgoingMessage held = MessageForTest();
  held.is_end_of_data_held = true;
  dialogue.Send(std::move(held));
  dialogue.engine().OnDisconnected(kConnectionLost);
  dialogue.Go();
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 unknown end 421 4.4.2 Connection lost (ours)",
                    "2 transient connection 421 4.4.2 Connection lost (ours)",
                    "closed: disconnected 421 4.4.2 Connection lost"}));
}

TEST(ClientEngineOverlapTest, AnAbortWaitsForTheMessageAhead) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n");
  dialogue.set_content("bare\nnewline");
  dialogue.Send(MessageForTest());
  // The content is asked for, and found unsendable, when the 354 has come; the answer to the first
  // message comes before that.
  dialogue.Hear("250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 delivered end 250 first",
                    "2 permanent local 554 5.6.0 Content has bare CR, LF or NUL (ours)",
                    "closed: unsendable 554 5.6.0 Content has bare CR, LF or NUL"}));
}

// --- The window in which nobody can know ---

TEST(ClientEngineLossTest, OnlyALossAfterTheEndOfDataIsUnknown) {
  const std::vector<std::string> replies = {"250 ok\r\n", "250 ok\r\n", "354 go\r\n"};
  for (size_t count = 0; count <= replies.size(); ++count) {
    ClientDialogue dialogue;
    dialogue.Open();
    dialogue.Send(MessageForTest());
    for (size_t i = 0; i < count; ++i) dialogue.Hear(replies[i]);
    dialogue.engine().OnDisconnected(kTimeout);
    dialogue.Go();
    const Events events = dialogue.TakeEvents();
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0], count == 3 ? "1 unknown end 421 4.4.2 Timeout (ours)"
                                    : "1 transient connection 421 4.4.2 Timeout (ours)");
  }
}

TEST(ClientEngineLossTest, A421AsTheAnswerIsAnAnswer) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n");
  dialogue.Hear("421 4.3.0 closing\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 transient end 421 4.3.0 closing", "closed: closing 421 4.3.0 closing"}));
}

TEST(ClientEngineLossTest, A421InTheEnvelopeFailsTheRest) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest(TwoRecipients()));
  dialogue.Hear("250 ok\r\n421 4.7.0 enough\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 transient rcpt 421 4.7.0 enough", "1 transient connection 421 4.7.0 enough",
                    "closed: closing 421 4.7.0 enough"}));
}

TEST(ClientEngineLossTest, OddRepliesAreProtocolErrorsAndNeverASuccess) {
  for (absl::string_view replies :
       {"354 go\r\n", "250 ok\r\n354 go\r\n", "250 ok\r\n250 ok\r\n250 early\r\n",
        "250 ok\r\n250 ok\r\n199 x\r\n", "250 ok\r\n250 ok\r\n999 x\r\n", "garbage\r\n",
        "250 ok\r\n250-a\r\n251 b\r\n", "250 ok\n250 ok\n354 go\n250 ok\n"}) {
    ClientDialogue dialogue;
    dialogue.Open("PIPELINING");
    dialogue.Send(MessageForTest());
    dialogue.Hear(replies);
    const Events events = dialogue.TakeEvents();
    ASSERT_EQ(events.size(), 2u) << replies;
    EXPECT_TRUE(absl::StartsWith(events[0], "1 transient connection 421 4.5.0")) << events[0];
    EXPECT_TRUE(absl::StartsWith(events[1], "closed: protocol error")) << events[1];
  }
}

TEST(ClientEngineLossTest, AnEarlyAnswerToTheContentIsAProtocolError) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n354 go\r\n250 early\r\n");
  EXPECT_TRUE(absl::StartsWith(dialogue.TakeEvents()[0], "1 transient connection 421 4.5.0"));
}

TEST(ClientEngineLossTest, AnAbortedContentEndsTheSessionWithoutAnEndOfData) {
  ClientEngine engine({.host_name = "us.example"});
  engine.Receive("220 mx\r\n250 mx\r\n");
  EXPECT_TRUE(std::holds_alternative<client_event::Ready>(engine.Next()));
  engine.Send(MessageForTest());
  EXPECT_TRUE(std::holds_alternative<client_event::NeedInput>(engine.Next()));
  engine.Receive("250 ok\r\n");
  EXPECT_TRUE(std::holds_alternative<client_event::NeedInput>(engine.Next()));
  engine.Receive("250 ok\r\n");
  EXPECT_TRUE(std::holds_alternative<client_event::NeedInput>(engine.Next()));
  engine.ClearOutput();
  engine.Receive("354 go\r\n");
  EXPECT_TRUE(std::holds_alternative<client_event::NeedContent>(engine.Next()));
  engine.SendContent("half", false);
  engine.AbortContent(kTemporaryFailure);
  ClientEvent event = engine.Next();
  const auto* done = std::get_if<client_event::MessageDone>(&event);
  ASSERT_NE(done, nullptr);
  EXPECT_EQ(Describe(done->outcomes[0]),
            "transient local 451 4.3.0 Temporary failure, try again later (ours)");
  EXPECT_TRUE(std::holds_alternative<client_event::Closed>(engine.Next()));
  EXPECT_EQ(engine.output(), "half");
}

// --- BDAT ---

TEST(ClientEngineChunkTest, SmallContentIsOneLastChunk) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING|CHUNKING");
  EXPECT_EQ(dialogue.Send(MessageForTest()), absl::StrCat(kMail, kRcptBob));
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n"), absl::StrCat("BDAT 21 LAST\r\n", kContent));
  dialogue.Hear("250 done\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"1 delivered end 250 done"});
}

TEST(ClientEngineChunkTest, ManyChunksAreBoundedInFlight) {
  ClientDialogue dialogue;
  dialogue.set_content("0123456789", 1);
  dialogue.Open("PIPELINING|CHUNKING");
  dialogue.Send(MessageForTest());
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n"), "BDAT 1\r\n0BDAT 1\r\n1BDAT 1\r\n2BDAT 1\r\n3");
  EXPECT_EQ(dialogue.Hear("250 ok\r\n"), "BDAT 1\r\n4");
  std::string rest;
  for (int i = 0; i < 8; ++i) rest += dialogue.Hear("250 ok\r\n");
  EXPECT_TRUE(absl::EndsWith(rest, "BDAT 1 LAST\r\n9")) << rest;
  dialogue.Hear("250 done\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"1 delivered end 250 done"});
}

TEST(ClientEngineChunkTest, WithoutPipeliningChunksGoOneByOne) {
  ClientDialogue dialogue;
  dialogue.set_content("ab", 1);
  dialogue.Open("CHUNKING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n");
  EXPECT_EQ(dialogue.Hear("250 ok\r\n"), "BDAT 1\r\na");
  EXPECT_EQ(dialogue.Hear("250 ok\r\n"), "BDAT 1 LAST\r\nb");
}

TEST(ClientEngineChunkTest, ARefusedChunkEndsTheMessageAndIsReset) {
  ClientDialogue dialogue;
  dialogue.set_content("0123456789", 2);
  dialogue.Open("PIPELINING|CHUNKING");
  dialogue.Send(MessageForTest());
  dialogue.Hear("250 ok\r\n250 ok\r\n");
  EXPECT_EQ(dialogue.Hear("452 4.3.1 full\r\n"), "");
  EXPECT_EQ(dialogue.Hear("503 x\r\n503 x\r\n503 x\r\n"), "");
  EXPECT_EQ(dialogue.TakeEvents(), Events{"1 transient data 452 4.3.1 full"});
  EXPECT_EQ(dialogue.Send(MessageForTest()).substr(0, 6), "RSET\r\n");
}

TEST(ClientEngineChunkTest, AHeldEndIsAnEmptyLastChunk) {
  ClientDialogue dialogue;
  dialogue.Open("PIPELINING|CHUNKING");
  OutgoingMessage message = MessageForTest();
  message.is_end_of_data_held = true;
  const uint64_t id = dialogue.engine().Send(std::move(message));
  dialogue.Go();
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n"), absl::StrCat("BDAT 21\r\n", kContent));
  EXPECT_EQ(dialogue.TakeEvents(), Events{"held 1"});
  dialogue.Hear("250 ok\r\n");
  dialogue.engine().ReleaseEndOfData(id);
  EXPECT_EQ(dialogue.Go(), "BDAT 0 LAST\r\n");
}

TEST(ClientEngineChunkTest, BinaryContentGoesAsItIs) {
  ClientDialogue dialogue;
  dialogue.set_content("\n.\n\r");
  dialogue.Open("PIPELINING|CHUNKING|BINARYMIME|8BITMIME");
  OutgoingMessage message = MessageForTest();
  message.parameters.body = BodyType::kBinaryMime;
  EXPECT_TRUE(absl::StartsWith(dialogue.Send(std::move(message)),
                               "MAIL FROM:<ann@a.example> BODY=BINARYMIME\r\n"));
  EXPECT_EQ(dialogue.Hear("250 ok\r\n250 ok\r\n"), "BDAT 4 LAST\r\n\n.\n\r");
}

TEST(ClientEngineChunkTest, ItCanBeRuledOut) {
  ClientDialogue dialogue(
      {.host_name = "us.example", .use_pipelining = false, .use_chunking = false});
  dialogue.Open("PIPELINING|CHUNKING|BINARYMIME");
  EXPECT_EQ(dialogue.Send(MessageForTest()), kMail);
  EXPECT_FALSE(dialogue.engine().capabilities().chunking);
  EXPECT_FALSE(dialogue.engine().capabilities().binary_mime);
}

// --- LMTP ---

TEST(ClientEngineLmtpTest, EachAcceptedRecipientHasItsAnswer) {
  ClientDialogue dialogue({.host_name = "us.example", .is_lmtp = true});
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest({"bob@b.example", "cat@b.example", "dan@b.example"}));
  dialogue.Hear("250 ok\r\n250 ok\r\n550 5.1.1 who\r\n250 ok\r\n354 go\r\n");
  dialogue.Hear("250 2.1.5 bob\r\n");
  EXPECT_EQ(dialogue.TakeEvents(), Events{});
  dialogue.Hear("452 4.2.2 dan is full\r\n");
  EXPECT_EQ(dialogue.TakeEvents(),
            (Events{"1 delivered end 250 2.1.5 bob", "1 permanent rcpt 550 5.1.1 who",
                    "1 transient end 452 4.2.2 dan is full"}));
}

TEST(ClientEngineLmtpTest, ALossBetweenTheAnswersLeavesOnlyTheRestUnknown) {
  ClientDialogue dialogue({.host_name = "us.example", .is_lmtp = true});
  dialogue.Open("PIPELINING");
  dialogue.Send(MessageForTest(TwoRecipients()));
  dialogue.Hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  dialogue.Hear("250 bob\r\n");
  dialogue.engine().OnDisconnected(kConnectionLost);
  dialogue.Go();
  const Events events = dialogue.TakeEvents();
  EXPECT_EQ(events[0], "1 delivered end 250 bob");
  EXPECT_EQ(events[1], "1 unknown end 421 4.4.2 Connection lost (ours)");
}

}  // namespace
}  // namespace turnpike::smtp
