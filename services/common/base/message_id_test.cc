#include "services/common/base/message_id.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

constexpr char kText[] = "0190163d-8694-739b-aea5-966c26f8ad91";

TEST(MessageIdTest, AMillionIdsOfFourThreadsDiffer) {
  constexpr int kPerThread = 250'000;
  const absl::Time now = absl::FromUnixMillis(1'700'000'000'123);
  std::vector<std::vector<MessageId>> ids(4);
  std::vector<std::thread> threads;
  for (std::vector<MessageId>& mine : ids) {
    threads.emplace_back([&mine, now] {
      for (int i = 0; i < kPerThread; ++i) mine.push_back(MessageId::Generate(now));
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::flat_hash_set<MessageId> all;
  for (const std::vector<MessageId>& mine : ids) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4u * kPerThread);
}

TEST(MessageIdTest, SortsByTime) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.push_back(MessageId::Generate(absl::FromUnixMillis(1'700'000'000'000 + i * 77)));
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end(), [](const MessageId& a, const MessageId& b) {
    return a.ToString() < b.ToString();
  }));
}

TEST(MessageIdTest, KeepsItsTimeToTheMillisecond) {
  const absl::Time time = absl::FromUnixMillis(1'718'000'000'789);
  EXPECT_EQ(MessageId::Generate(time + absl::Microseconds(400)).time(), time);
}

TEST(MessageIdTest, HasVersionSevenAndTheVariant) {
  for (int i = 0; i < 100; ++i) {
    const std::string text = MessageId::Generate(absl::UnixEpoch()).ToString();
    EXPECT_EQ(text[14], '7');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
  }
}

TEST(MessageIdTest, TextIsReadBackInAnyCase) {
  const MessageId id = *MessageId::FromString(kText);
  EXPECT_EQ(id.ToString(), kText);
  EXPECT_EQ(*MessageId::FromString(absl::AsciiStrToUpper(kText)), id);
}

TEST(MessageIdTest, OctetsAreReadBack) {
  const MessageId id = *MessageId::FromString(kText);
  ASSERT_EQ(id.bytes().size(), MessageId::kBytes);
  EXPECT_EQ(static_cast<uint8_t>(id.bytes()[15]), 0x91);
  EXPECT_EQ(*MessageId::FromBytes(id.bytes()), id);
}

TEST(MessageIdTest, AnythingElseIsRefused) {
  const std::string text = kText;
  EXPECT_FALSE(MessageId::FromString("").ok());
  EXPECT_FALSE(MessageId::FromString(text.substr(1)).ok());
  EXPECT_FALSE(MessageId::FromString(text + "0").ok());
  EXPECT_FALSE(MessageId::FromString("0190163d-8694-739b-aea5-966c26f8ad9g").ok());
  EXPECT_FALSE(MessageId::FromString("0190163d08694-739b-aea5-966c26f8ad91").ok());
  EXPECT_FALSE(MessageId::FromBytes("").ok());
  EXPECT_FALSE(MessageId::FromBytes(std::string(15, 'x')).ok());
  EXPECT_FALSE(MessageId::FromBytes(std::string(17, 'x')).ok());
}

}  // namespace
}  // namespace turnpike::base
