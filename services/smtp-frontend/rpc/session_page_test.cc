#include "services/smtp-frontend/rpc/session_page.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::frontend {
namespace {

v1::Session SessionOf(const std::string& id, int64_t begin_seconds) {
  v1::Session session;
  session.set_session_id(id);
  session.mutable_begin_time()->set_seconds(begin_seconds);
  return session;
}

std::string IdsOf(const v1::ListSessionsResponse& page) {
  std::string ids;
  for (const v1::Session& session : page.sessions()) ids += session.session_id();
  return ids;
}

TEST(SessionPageTest, OldestComeFirstAndPagesFollowEachOther) {
  const std::vector<v1::Session> sessions = {SessionOf("c", 3), SessionOf("a", 1),
                                             SessionOf("b", 1), SessionOf("d", 4)};
  v1::ListSessionsRequest request;
  request.set_page_size(3);
  const auto first = PageOf(sessions, request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(IdsOf(*first), "abc");
  request.set_page_token(first->next_page_token());
  const auto second = PageOf(sessions, request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(IdsOf(*second), "d");
  EXPECT_EQ(second->next_page_token(), "");
}

TEST(SessionPageTest, SessionThatEndsMovesNoOther) {
  v1::ListSessionsRequest request;
  request.set_page_size(1);
  const auto first = PageOf({SessionOf("a", 1), SessionOf("b", 2), SessionOf("c", 3)}, request);
  request.set_page_token(first->next_page_token());
  const auto second = PageOf({SessionOf("b", 2), SessionOf("c", 3)}, request);
  EXPECT_EQ(IdsOf(*second), "b");
}

TEST(SessionPageTest, BadTokensAndSizesAreRefused) {
  v1::ListSessionsRequest request;
  request.set_page_token("x");
  EXPECT_TRUE(absl::IsInvalidArgument(PageOf({}, request).status()));
  request.clear_page_token();
  request.set_page_size(1001);
  EXPECT_TRUE(absl::IsInvalidArgument(PageOf({}, request).status()));
  request.set_page_size(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(PageOf({}, request).status()));
}

TEST(SessionPageTest, NoSessionsAreAnEmptyPage) {
  const auto page = PageOf({}, {});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->sessions_size(), 0);
}

}  // namespace
}  // namespace turnpike::frontend
