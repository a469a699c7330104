#include "services/common/smtp/line_discipline.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::smtp {
namespace {

using Violation = LineDiscipline::Violation;

Violation Check(absl::string_view bytes, size_t step, size_t line_bytes_max = 100) {
  LineDiscipline discipline(line_bytes_max);
  while (!bytes.empty()) {
    discipline.Feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  return discipline.Finish();
}

void ExpectAtEveryCut(absl::string_view bytes, Violation expected) {
  for (size_t step = 1; step <= bytes.size(); ++step) {
    EXPECT_EQ(Check(bytes, step), expected) << testing::PrintToString(bytes) << " by " << step;
  }
}

TEST(LineDisciplineTest, LinesThatEndInCrLfAreInOrder) {
  for (absl::string_view bytes : {"\r\n", "a\r\nb\r\n", "\r\n\r\n\r\n", "a", "a\r\nb", "..\r\n"}) {
    ExpectAtEveryCut(bytes, Violation::kNone);
  }
}

TEST(LineDisciplineTest, ABareCrOrLfIsFoundWhereverItStands) {
  for (absl::string_view bytes :
       {"\n", "\r", "a\n", "a\r", "a\rb", "\r\r\n", "\n\r", "a\r\n\n", "a\r\n\r", "\r\n.\n",
        "\r\n.\r.\r\n", "a\nb\r\n", "a\r\r\nb\r\n"}) {
    ExpectAtEveryCut(bytes, Violation::kBareNewline);
  }
}

TEST(LineDisciplineTest, TheFirstViolationCounts) {
  ExpectAtEveryCut(absl::string_view("a\0b\n", 4), Violation::kNul);
  ExpectAtEveryCut(absl::string_view("a\nb\0", 4), Violation::kBareNewline);
  ExpectAtEveryCut(absl::string_view("\r\0\n", 3), Violation::kBareNewline);
  ExpectAtEveryCut(std::string(101, 'a') + "\n", Violation::kLineTooLong);
  ExpectAtEveryCut("a\n" + std::string(101, 'a'), Violation::kBareNewline);
}

TEST(LineDisciplineTest, LinesMayBeAsLongAsTheLimit) {
  ExpectAtEveryCut("x\r\n" + std::string(100, 'a') + "\r\n", Violation::kNone);
  ExpectAtEveryCut("x\r\n" + std::string(101, 'a') + "\r\n", Violation::kLineTooLong);
}

TEST(LineDisciplineTest, LineStartsAreKnown) {
  LineDiscipline discipline(100);
  EXPECT_TRUE(discipline.is_at_line_start());
  discipline.Feed("a");
  EXPECT_FALSE(discipline.is_at_line_start());
  discipline.Feed("\r");
  EXPECT_FALSE(discipline.is_at_line_start());
  discipline.Feed("\n");
  EXPECT_TRUE(discipline.is_at_line_start());
  discipline.Feed("\r");
  EXPECT_FALSE(discipline.is_at_line_start());
}

}  // namespace
}  // namespace turnpike::smtp
