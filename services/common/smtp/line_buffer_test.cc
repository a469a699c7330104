#include "services/common/smtp/line_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::smtp {
namespace {

using Result = LineBuffer::Result;

// The lines of `input`, fed in pieces of `step` octets from a buffer that is reused.
std::vector<std::string> Lines(absl::string_view input, size_t step, size_t line_bytes_max = 20) {
  LineBuffer buffer(line_bytes_max);
  std::vector<std::string> lines;
  std::string reused;
  while (!input.empty()) {
    reused = std::string(input.substr(0, step));
    input.remove_prefix(reused.size());
    buffer.Add(reused);
    for (bool has_line = true; has_line;) {
      absl::string_view line;
      switch (buffer.NextLine(&line)) {
        case Result::kNeedMore:
          has_line = false;
          break;
        case Result::kLine:
          lines.push_back(std::string(line));
          break;
        case Result::kTooLong:
          lines.push_back("(long)");
          break;
        case Result::kBareNewline:
          lines.push_back("(bare)");
          break;
        case Result::kNul:
          lines.push_back("(nul)");
          break;
      }
    }
    buffer.Keep();
    reused.assign(reused.size(), '#');
  }
  return lines;
}

void ExpectAtEveryCut(absl::string_view input, const std::vector<std::string>& expected) {
  for (size_t step = 1; step <= input.size(); ++step) {
    EXPECT_EQ(Lines(input, step), expected) << testing::PrintToString(input) << " by " << step;
  }
}

TEST(LineBufferTest, LinesAreCutOutWhereverInputIsCut) {
  ExpectAtEveryCut("EHLO a\r\n\r\nMAIL\r\nrest", {"EHLO a", "", "MAIL"});
}

TEST(LineBufferTest, BareLineEndsAreTold) {
  ExpectAtEveryCut("a\nb\r\n", {"(bare)", "b"});
  ExpectAtEveryCut("a\rb\r\n", {"(bare)"});
  ExpectAtEveryCut("\nb\r\n", {"(bare)", "b"});
  ExpectAtEveryCut("a\r\r\nb\r\n", {"(bare)", "b"});
  ExpectAtEveryCut("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nb\r\n", {"(bare)", "b"});
}

TEST(LineBufferTest, NulIsTold) {
  ExpectAtEveryCut(absl::string_view("a\0b\r\nc\r\n", 8), {"(nul)", "c"});
}

TEST(LineBufferTest, LinesMayBeAsLongAsTheLimit) {
  ExpectAtEveryCut("123456789012345678\r\nb\r\n", {"123456789012345678", "b"});
  ExpectAtEveryCut("1234567890123456789\r\nb\r\n", {"(long)", "b"});
  ExpectAtEveryCut(std::string(100, 'x') + "\r\nb\r\n", {"(long)", "b"});
}

TEST(LineBufferTest, InputIsKeptWhenTheCallersBufferIsReused) {
  LineBuffer buffer(100);
  std::string bytes = "MAIL FR";
  buffer.Add(bytes);
  buffer.Keep();
  bytes = "#######";
  buffer.Add("OM:<>\r\nRCPT");
  absl::string_view line;
  ASSERT_EQ(buffer.NextLine(&line), Result::kLine);
  EXPECT_EQ(line, "MAIL FROM:<>");
  EXPECT_EQ(*buffer.rest(), "RCPT");
}

TEST(LineBufferTest, ClearForgetsEverything) {
  LineBuffer buffer(10);
  buffer.Add("xxxxxxxxxxxxxxxxxxxxxx");
  absl::string_view line;
  EXPECT_EQ(buffer.NextLine(&line), Result::kNeedMore);
  buffer.Clear();
  buffer.Add("a\r\n");
  EXPECT_EQ(buffer.NextLine(&line), Result::kLine);
  EXPECT_EQ(line, "a");
}

}  // namespace
}  // namespace turnpike::smtp
