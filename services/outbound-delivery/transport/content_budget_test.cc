#include "services/outbound-delivery/transport/content_budget.h"

#include <string>

#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

class ContentBudgetTest : public ::testing::Test {
 protected:
  void Acquire(size_t bytes, char name) {
    budget_.Acquire(bytes, [this, name](bool granted) { log_ += granted ? name : '-'; });
  }

  ContentBudget budget_{100};
  std::string log_;
};

TEST_F(ContentBudgetTest, GrantsUpToTheLimitAndThenInOrder) {
  Acquire(60, 'a');
  Acquire(40, 'b');
  Acquire(10, 'c');
  Acquire(50, 'd');
  EXPECT_EQ(log_, "ab");
  budget_.Release(40);
  EXPECT_EQ(log_, "abc");
  budget_.Release(60);
  EXPECT_EQ(log_, "abcd");
}

TEST_F(ContentBudgetTest, MoreThanThereIsGoesAlone) {
  Acquire(1, 'a');
  Acquire(1000, 'b');
  Acquire(1, 'c');
  EXPECT_EQ(log_, "a");
  budget_.Release(1);
  EXPECT_EQ(log_, "ab");
  budget_.Release(1000);
  EXPECT_EQ(log_, "abc");
}

TEST_F(ContentBudgetTest, CloseRefusesAll) {
  Acquire(100, 'a');
  Acquire(1, 'b');
  budget_.Close();
  Acquire(1, 'c');
  EXPECT_EQ(log_, "a--");
}

}  // namespace
}  // namespace turnpike::delivery
