#include "services/common/spooled/queue_text.h"

#include <gtest/gtest.h>

namespace turnpike::spool {
namespace {

std::string TextOf(v1::QueueKind kind) {
  v1::QueueName queue;
  queue.set_kind(kind);
  queue.set_name("a.example");
  return QueueText(queue);
}

TEST(QueueTextTest, KindComesBeforeTheName) {
  EXPECT_EQ(TextOf(v1::QUEUE_KIND_GATEWAY), "gateway/a.example");
  EXPECT_EQ(TextOf(v1::QUEUE_KIND_REMOTE), "remote/a.example");
  EXPECT_EQ(TextOf(v1::QUEUE_KIND_LOCAL), "local/a.example");
}

TEST(QueueTextTest, UnknownKindIsANumber) {
  EXPECT_EQ(TextOf(static_cast<v1::QueueKind>(9)), "9/a.example");
}

}  // namespace
}  // namespace turnpike::spool
