#include "services/turnpikectl/core/value.h"

#include <gtest/gtest.h>

#include <limits>

namespace turnpike::ctl {
namespace {

Value Sample() {
  Value queue;
  queue.Set("held", int64_t{12});
  Value first;
  first.Set("address", "ann@example.org");
  Value second;
  second.Set("address", "bob@example.org");
  Value sample;
  sample.Set("queue", queue);
  sample.Set("recipients", Value::List{first, second});
  return sample;
}

TEST(ValueTest, PathsLeadThroughMembers) {
  EXPECT_EQ(Sample().At("queue.held").digits(), "12");
  EXPECT_EQ(Sample().At("").object()->size(), 2u);
  EXPECT_TRUE(Sample().At("queue.none").is_nothing());
  EXPECT_TRUE(Sample().At("queue.held.more").is_nothing());
}

TEST(ValueTest, PathThroughAListGivesThatOfEachElement) {
  const Value addresses = Sample().At("recipients.address");
  ASSERT_NE(addresses.list(), nullptr);
  ASSERT_EQ(addresses.list()->size(), 2u);
  EXPECT_EQ(*addresses.list()->at(1).text(), "bob@example.org");
}

TEST(ValueTest, SetReplacesAMemberInItsPlace) {
  Value sample = Sample();
  sample.Set("queue", true);
  EXPECT_EQ(sample.object()->front().name, "queue");
  EXPECT_TRUE(*sample.At("queue").yes());
}

TEST(ValueTest, NumbersOfBothSignsKeepAllTheirDigits) {
  EXPECT_EQ(Value(std::numeric_limits<int64_t>::min()).digits(), "-9223372036854775808");
  EXPECT_EQ(Value(std::numeric_limits<uint64_t>::max()).digits(), "18446744073709551615");
  EXPECT_EQ(Value(std::numeric_limits<uint64_t>::max()).number(), 0);
  EXPECT_EQ(Value(uint64_t{7}).number(), 7);
  EXPECT_TRUE(Value(uint64_t{7}).is_id());
  EXPECT_FALSE(Value(int64_t{7}).is_id());
  EXPECT_EQ(Value("7").digits(), "");
}

}  // namespace
}  // namespace turnpike::ctl
