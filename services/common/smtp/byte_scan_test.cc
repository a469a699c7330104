#include "services/common/smtp/byte_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace turnpike::smtp {
namespace {

size_t FindLfDotPlainly(absl::string_view bytes, size_t begin) {
  return std::string(bytes).find("\n.", begin);
}

bool IsCleanTextPlainly(absl::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == 0) return false;
    if (bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] != '\n') return false;
    if (bytes[i] == '\n' && i > 0 && bytes[i - 1] != '\r') return false;
  }
  return true;
}

TEST(ByteScanTest, LfDotIsFoundAtEveryPosition) {
  for (size_t size = 2; size < 100; ++size) {
    for (size_t position = 0; position + 1 < size; ++position) {
      std::string bytes(size, 'a');
      bytes[position] = '\n';
      EXPECT_EQ(FindLfDot(bytes, 0), absl::string_view::npos);
      bytes[position + 1] = '.';
      EXPECT_EQ(FindLfDot(bytes, 0), position);
      EXPECT_EQ(FindLfDot(bytes, position), position);
      EXPECT_EQ(FindLfDot(bytes, position + 1), absl::string_view::npos);
    }
  }
  EXPECT_EQ(FindLfDot("", 0), absl::string_view::npos);
}

TEST(ByteScanTest, OneOddOctetIsFoundAtEveryPosition) {
  for (size_t size = 3; size < 100; ++size) {
    EXPECT_TRUE(IsCleanText(std::string(size, 'a')));
    for (size_t position = 0; position < size; ++position) {
      for (char odd : {'\0', '\r', '\n'}) {
        std::string bytes(size, 'a');
        bytes[position] = odd;
        EXPECT_EQ(IsCleanText(bytes), IsCleanTextPlainly(bytes)) << size << " " << position;
      }
    }
  }
}

TEST(ByteScanTest, RandomOctetsAreJudgedAsByThePlainReading) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    const size_t size = random() % 80;
    while (bytes.size() < size) {
      switch (random() % 12) {
        case 0:
          bytes += "\r\n";
          break;
        case 1:
          bytes += ".";
          break;
        case 2:
          if (random() % 20 == 0) bytes += "\n";
          break;
        case 3:
          if (random() % 20 == 0) bytes += "\r";
          break;
        default:
          bytes += "a";
      }
    }
    EXPECT_EQ(IsCleanText(bytes), IsCleanTextPlainly(bytes));
    EXPECT_EQ(FindLfDot(bytes, 0), FindLfDotPlainly(bytes, 0));
  }
}

}  // namespace
}  // namespace turnpike::smtp
