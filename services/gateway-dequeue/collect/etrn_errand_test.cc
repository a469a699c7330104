#include "services/gateway-dequeue/collect/etrn_errand.h"

#include <gtest/gtest.h>

namespace turnpike::dequeue {
namespace {

v1::RunEnding EndingFor(const std::vector<uint32_t>& codes) {
  std::vector<v1::RequestReply> replies;
  for (uint32_t code : codes) replies.emplace_back().mutable_reply()->set_code(code);
  return EndingOfReplies(replies);
}

TEST(EndingOfRepliesTest, OneThatWasStartedIsEnough) {
  EXPECT_EQ(EndingFor({250}), v1::RUN_ENDING_COMPLETED);
  EXPECT_EQ(EndingFor({252}), v1::RUN_ENDING_COMPLETED);
  EXPECT_EQ(EndingFor({251, 253, 251}), v1::RUN_ENDING_COMPLETED);
}

TEST(EndingOfRepliesTest, NoMailForAllIsNoMail) {
  EXPECT_EQ(EndingFor({251}), v1::RUN_ENDING_NO_MAIL);
  EXPECT_EQ(EndingFor({251, 251}), v1::RUN_ENDING_NO_MAIL);
}

TEST(EndingOfRepliesTest, OneRefusalDecides) {
  EXPECT_EQ(EndingFor({250, 459}), v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingFor({458, 251}), v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingFor({500}), v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingFor({530}), v1::RUN_ENDING_AUTH_FAILED);
}

}  // namespace
}  // namespace turnpike::dequeue
