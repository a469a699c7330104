#include "services/common/smtp/data_encoder.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "services/common/smtp/data_decoder.h"

namespace turnpike::smtp {
namespace {

std::optional<std::string> Encode(absl::string_view content, size_t step = std::string::npos) {
  DataEncoder encoder;
  std::string out;
  while (!content.empty()) {
    const absl::string_view piece = content.substr(0, step);
    content.remove_prefix(piece.size());
    if (!encoder.Encode(piece, &out)) return std::nullopt;
  }
  if (!encoder.Finish(&out)) return std::nullopt;
  return out;
}

TEST(DataEncoderTest, DotsAtLineStartsAreStuffedWhereverContentIsCut) {
  const std::string content = ".\r\n..a\r\nb.\r\n\r\n.c\r\na.b\r\n";
  for (size_t step = 1; step <= content.size(); ++step) {
    EXPECT_EQ(Encode(content, step), "..\r\n...a\r\nb.\r\n\r\n..c\r\na.b\r\n.\r\n") << step;
  }
}

TEST(DataEncoderTest, TheLastLineGetsItsEnd) {
  EXPECT_EQ(Encode(""), ".\r\n");
  EXPECT_EQ(Encode("a"), "a\r\n.\r\n");
  EXPECT_EQ(Encode("a\r\n"), "a\r\n.\r\n");
  EXPECT_EQ(Encode("."), "..\r\n.\r\n");
}

TEST(DataEncoderTest, ContentThatWouldSmuggleIsNotSent) {
  for (absl::string_view content :
       {"a\n.\r\nb", "a\r.\rb", "a\n", "a\r", "\n", "\r\r\n", "a\n.\n"}) {
    for (size_t step = 1; step <= content.size(); ++step) {
      EXPECT_EQ(Encode(content, step), std::nullopt) << testing::PrintToString(content);
    }
  }
  EXPECT_EQ(Encode(absl::string_view("a\0b", 3)), std::nullopt);
}

TEST(DataEncoderTest, DecoderGivesBackWhatWasEncoded) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string content;
    for (int line = 0; line < 8; ++line) {
      for (int i = random() % 4; i > 0; --i) content += random() % 2 == 0 ? '.' : 'a';
      content += "\r\n";
    }
    const std::optional<std::string> wire = Encode(content, 1 + random() % 9);
    ASSERT_TRUE(wire);
    absl::string_view input = *wire;
    std::string decoded;
    DataDecoder decoder({});
    ASSERT_TRUE(decoder.Decode(&input, &decoded));
    EXPECT_EQ(decoded, content);
    EXPECT_TRUE(input.empty());
  }
}

}  // namespace
}  // namespace turnpike::smtp
