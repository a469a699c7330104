#include "services/spool-store/core/index_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::spool {
namespace {

std::string Queue(const std::string& name, v1::QueueKind kind = v1::QUEUE_KIND_REMOTE) {
  v1::QueueName queue;
  queue.set_name(name);
  queue.set_kind(kind);
  return QueueKey(queue);
}

TEST(IndexKeyTest, KeysComeBackAsTheyWere) {
  const std::vector<Position> positions = {
      {.section = Section::kHeld, .delivery_id = 7},
      {.section = Section::kReady, .delivery_id = 0xff00ff00ff00ff00},
      {.section = Section::kParked, .delivery_id = 1},
      {.section = Section::kDeferred,
       .release_epoch = 3,
       .due_second = 1'700'000'000,
       .delivery_id = 256},
  };
  for (const Position& position : positions) {
    const std::string key = IndexKey(Queue("example.org"), position);
    absl::string_view queue;
    Position parsed;
    ASSERT_TRUE(ParseIndexKey(key, queue, parsed));
    EXPECT_EQ(queue, Queue("example.org"));
    EXPECT_EQ(parsed, position);
  }
}

TEST(IndexKeyTest, KeysSortAsPositions) {
  const Position early{
      .section = Section::kDeferred, .release_epoch = 1, .due_second = 255, .delivery_id = 9};
  const Position late{
      .section = Section::kDeferred, .release_epoch = 1, .due_second = 256, .delivery_id = 1};
  const Position next_epoch{
      .section = Section::kDeferred, .release_epoch = 2, .due_second = 1, .delivery_id = 1};
  EXPECT_LT(early, late);
  EXPECT_LT(late, next_epoch);
  EXPECT_LT(IndexKey(Queue("q"), early), IndexKey(Queue("q"), late));
  EXPECT_LT(IndexKey(Queue("q"), late), IndexKey(Queue("q"), next_epoch));
}

TEST(IndexKeyTest, NoQueueIsWithinAnother) {
  const std::string prefix = IndexPrefix(Section::kHeld, Queue("example.org"));
  const std::string other =
      IndexKey(Queue("example.org.au"), {.section = Section::kHeld, .delivery_id = 1});
  EXPECT_NE(other.substr(0, prefix.size()), prefix);
  EXPECT_NE(Queue("a", v1::QUEUE_KIND_GATEWAY), Queue("a", v1::QUEUE_KIND_LOCAL));
}

TEST(IndexKeyTest, QueueKeyComesBackAsTheQueue) {
  v1::QueueName queue;
  ASSERT_TRUE(ParseQueueKey(Queue("[192.0.2.1]", v1::QUEUE_KIND_GATEWAY), queue));
  EXPECT_EQ(queue.name(), "[192.0.2.1]");
  EXPECT_EQ(queue.kind(), v1::QUEUE_KIND_GATEWAY);
  EXPECT_FALSE(ParseQueueKey("ab", queue));
}

TEST(IndexKeyTest, DamagedKeysAreRefused) {
  absl::string_view queue;
  Position position;
  EXPECT_FALSE(ParseIndexKey("", queue, position));
  EXPECT_FALSE(ParseIndexKey("hno-nul", queue, position));
  const std::string key = IndexKey(Queue("q"), {.section = Section::kHeld, .delivery_id = 1});
  EXPECT_FALSE(ParseIndexKey(key.substr(0, key.size() - 1), queue, position));
  EXPECT_FALSE(ParseIndexKey(key + "x", queue, position));
}

TEST(IndexKeyTest, AfterPrefixIsTheFirstKeyBeyond) {
  EXPECT_EQ(AfterPrefix("ab"), "ac");
  EXPECT_EQ(AfterPrefix(std::string("a\xff", 2)), "b");
  EXPECT_EQ(AfterPrefix("\xff"), "");
}

}  // namespace
}  // namespace turnpike::spool
