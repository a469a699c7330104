#include "services/turnpikectl/core/table.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::ctl {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

Value Queue(const char* name, int64_t held) {
  Value queue;
  queue.Set("queue", name);
  queue.Set("held", held);
  queue.Set("bytes", held * 1000);
  queue.Set("oldest_time", held == 0 ? Value() : Value(kNow - absl::Minutes(192)));
  return queue;
}

const std::vector<Column> kColumns = {
    {"QUEUE", "queue"},
    {"HELD", "held"},
    {"BYTES", "bytes", Format::kBytes},
    {"OLDEST", "oldest_time", Format::kAge},
    {"SINCE", "oldest_time", Format::kTime, /*is_wide=*/true},
};

TEST(TableTest, ColumnsAreAlignedWithFiguresToTheRight) {
  EXPECT_EQ(RenderTable(kColumns, {Queue("gateway/a.example", 1200), Queue("remote/b.org", 0)},
                        /*is_wide=*/false, kNow),
            "QUEUE              HELD   BYTES  OLDEST\n"
            "gateway/a.example  1200  1.1MiB   3h12m\n"
            "remote/b.org          0       0       -\n");
}

TEST(TableTest, WideColumnsAreShownOnRequest) {
  EXPECT_EQ(RenderTable(kColumns, {Queue("remote/b.org", 1)}, /*is_wide=*/true, kNow),
            "QUEUE         HELD  BYTES  OLDEST  SINCE\n"
            "remote/b.org     1   1000   3h12m  2023-11-14T19:01:20Z (3h12m ago)\n");
}

TEST(TableTest, LongCellsAreCutUnlessWide) {
  Value row;
  row.Set("text", std::string(100, 'x'));
  const std::vector<Column> columns = {{"TEXT", "text"}};
  EXPECT_EQ(RenderTable(columns, {row}, /*is_wide=*/false, kNow),
            "TEXT\n" + std::string(59, 'x') + "…\n");
  EXPECT_EQ(RenderTable(columns, {row}, /*is_wide=*/true, kNow),
            "TEXT\n" + std::string(100, 'x') + "\n");
}

TEST(TableTest, CellsSayWhatTheyHoldAndNothingElse) {
  EXPECT_EQ(FormatCell(Value(), Format::kText, kNow), "-");
  EXPECT_EQ(FormatCell("", Format::kText, kNow), "-");
  EXPECT_EQ(FormatCell("", Format::kAddress, kNow), "<>");
  EXPECT_EQ(FormatCell("a\x1b@example.org", Format::kAddress, kNow), "<a\\x1b@example.org>");
  EXPECT_EQ(FormatCell(Value::List{"a", "b"}, Format::kAddress, kNow), "<a>, <b>");
  EXPECT_EQ(FormatCell(Value::List{}, Format::kText, kNow), "-");
  EXPECT_EQ(FormatCell(Value::List{1, 2}, Format::kCount, kNow), "2");
  EXPECT_EQ(FormatCell(true, Format::kText, kNow), "yes");
  EXPECT_EQ(FormatCell(kNow + absl::Minutes(5), Format::kUntil, kNow), "5m");
  EXPECT_EQ(FormatCell(kNow, Format::kUntil, kNow), "now");
  EXPECT_EQ(FormatCell(kNow + absl::Minutes(5), Format::kTime, kNow),
            "2023-11-14T22:18:20Z (in 5m)");
  EXPECT_EQ(FormatCell(Value(), Format::kReply, kNow), "-");
  EXPECT_EQ(FormatCell(uint64_t{1} << 63, Format::kText, kNow), "9223372036854775808");
}

TEST(TableTest, TimeThatWasRoundedDownHasNoSeconds) {
  EXPECT_EQ(FormatCell(kNow - absl::Seconds(27), Format::kRoughAge, kNow), "<1m");
  EXPECT_EQ(FormatCell(kNow - absl::Seconds(27), Format::kRoughTime, kNow),
            "2023-11-14T22:12:53Z (<1m ago)");
  EXPECT_EQ(FormatCell(Value(), Format::kRoughAge, kNow), "-");
}

TEST(TableTest, LimitOfNothingIsNone) {
  EXPECT_EQ(FormatCell(0, Format::kLimit, kNow), "no limit");
  EXPECT_EQ(FormatCell(500, Format::kLimit, kNow), "500");
  EXPECT_EQ(FormatCell(0, Format::kBytesLimit, kNow), "no limit");
  EXPECT_EQ(FormatCell(1024, Format::kBytesLimit, kNow), "1.0KiB");
  EXPECT_EQ(FormatCell(Value(), Format::kLimit, kNow), "-");
}

TEST(TableTest, SheetHasALineForEachFieldAndSectionsThatHoldSomething) {
  const View view = {.name = "queue",
                     .columns = kColumns,
                     .fields = {{"Queue", "queue"}, {"Oldest", "oldest_time", Format::kAge}},
                     .sections = {{"Parts", "parts", {{"QUEUE", "queue"}}}}};
  Value value = Queue("remote/b.org", 1);
  EXPECT_EQ(RenderSheet(view, value, kNow), "Queue:   remote/b.org\nOldest:  3h12m\n");
  value.Set("parts", Value::List{Queue("x", 1)});
  EXPECT_EQ(RenderSheet(view, value, kNow),
            "Queue:   remote/b.org\nOldest:  3h12m\nParts:\n  QUEUE\n  x\n");
}

}  // namespace
}  // namespace turnpike::ctl
