#include "services/common/smtp/content_receiver.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/smtp/reply_codes.h"

namespace turnpike::smtp {
namespace {

using Mode = ContentReceiver::Mode;

std::optional<Reply> RefusalOfData(absl::string_view input, ContentReceiver::Limits limits = {}) {
  ContentReceiver receiver(Mode::kData, limits);
  std::string sink;
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  return receiver.refusal();
}

TEST(ContentReceiverTest, DataGoesToTheSinkWithItsFacts) {
  ContentReceiver receiver(Mode::kData, {});
  std::string sink = "before|";
  absl::string_view input = "Received: a\r\n\r\n..b\r\n.\r\nQUIT";
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  EXPECT_EQ(sink, "before|Received: a\r\n\r\n.b\r\n");
  EXPECT_EQ(input, "QUIT");
  EXPECT_EQ(receiver.content_bytes(), 19u);
  EXPECT_EQ(receiver.facts().received_count, 1u);
  EXPECT_FALSE(receiver.refusal());
}

TEST(ContentReceiverTest, EveryFaultHasItsReply) {
  EXPECT_EQ(RefusalOfData("a\nb\r\n.\r\n"), Reply(kContentBareNewline));
  EXPECT_EQ(RefusalOfData(absl::string_view("a\0\r\n.\r\n", 7)), Reply(kContentNul));
  EXPECT_EQ(RefusalOfData(std::string(3000, 'a') + "\r\n.\r\n"), Reply(kContentLineTooLong));
  EXPECT_EQ(RefusalOfData("12345\r\n.\r\n", {.content_bytes_max = 6}), Reply(kMessageTooBig));
  EXPECT_EQ(RefusalOfData("A: b\r\n\r\n.\r\n", {.header_bytes_max = 7}), Reply(kHeaderTooBig));
}

TEST(ContentReceiverTest, MoreThanFiftyReceivedFieldsAreALoop) {
  std::string message;
  for (int i = 0; i < 50; ++i) message += "Received: x\r\n";
  EXPECT_EQ(RefusalOfData(message + "\r\n.\r\n"), std::nullopt);
  EXPECT_EQ(RefusalOfData(message + "Received: x\r\n\r\n.\r\n"), Reply(kMailLoop));
}

TEST(ContentReceiverTest, ChunksEndByCountAndByNothingElse) {
  ContentReceiver receiver(Mode::kChunks, {});
  std::string sink;
  receiver.StartChunk(9);
  absl::string_view input = "a\r\n.\r\nb\r\nBDAT 2 LAST\r\n";
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  EXPECT_EQ(sink, "a\r\n.\r\nb\r\n");
  EXPECT_EQ(input, "BDAT 2 LAST\r\n");
  receiver.StartChunk(0);
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  receiver.FinishChunks();
  EXPECT_FALSE(receiver.refusal());
  EXPECT_EQ(receiver.content_bytes(), 9u);
}

TEST(ContentReceiverTest, TextChunksNeedGoodLines) {
  for (absl::string_view text : {"a\nb", "a\r", "\r\r\n"}) {
    ContentReceiver receiver(Mode::kChunks, {});
    std::string sink;
    receiver.StartChunk(text.size());
    EXPECT_TRUE(receiver.Receive(&text, &sink));
    receiver.FinishChunks();
    EXPECT_EQ(receiver.refusal(), Reply(kContentBareNewline));
    EXPECT_TRUE(receiver.has_bare_newline());
  }
}

TEST(ContentReceiverTest, BinaryChunksMayHoldAnything) {
  ContentReceiver receiver(Mode::kBinaryChunks, {});
  std::string sink;
  absl::string_view input("\0\r\n.\r\n\n\r\xff", 9);
  const std::string expected(input);
  receiver.StartChunk(input.size());
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  receiver.FinishChunks();
  EXPECT_FALSE(receiver.refusal());
  EXPECT_EQ(sink, expected);
}

TEST(ContentReceiverTest, ChunksTooBigAreKnownBeforeTheyCome) {
  ContentReceiver receiver(Mode::kChunks, {.content_bytes_max = 10});
  std::string sink;
  receiver.StartChunk(10);
  absl::string_view input = "12345678\r\n";
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  EXPECT_FALSE(receiver.refusal());
  receiver.StartChunk(INT64_MAX);
  EXPECT_EQ(receiver.refusal(), Reply(kMessageTooBig));
  input = "more";
  EXPECT_FALSE(receiver.Receive(&input, &sink));
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(sink, "12345678\r\n");
}

TEST(ContentReceiverTest, ARefusalFromOutsideStopsTheSinkButNotTheSwallowing) {
  ContentReceiver receiver(Mode::kData, {});
  std::string sink;
  receiver.Refuse(kInsufficientStorage);
  receiver.Refuse(kMailLoop);
  absl::string_view input = "a\nb\r\n.\r\nQUIT";
  EXPECT_TRUE(receiver.Receive(&input, &sink));
  EXPECT_EQ(input, "QUIT");
  EXPECT_EQ(sink, "");
  EXPECT_EQ(receiver.refusal(), Reply(kInsufficientStorage));
}

}  // namespace
}  // namespace turnpike::smtp
