#include "services/common/base/current.h"

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

TEST(CurrentTest, WhoHasAValueKeepsItWhenAnotherComes) {
  Current<std::string> current(std::make_shared<const std::string>("old"));
  const std::shared_ptr<const std::string> had = current.Get();
  current.Set(std::make_shared<const std::string>("new"));
  EXPECT_EQ(*had, "old");
  EXPECT_EQ(*current.Get(), "new");
}

TEST(CurrentTest, ValueThatNobodyHasGoesWhenAnotherComes) {
  auto value = std::make_shared<const int>(1);
  const std::weak_ptr<const int> watched = value;
  Current<int> current(std::move(value));
  current.Set(std::make_shared<const int>(2));
  EXPECT_TRUE(watched.expired());
}

TEST(CurrentTest, ThreadsMayReadWhileOneReplaces) {
  Current<int> current(std::make_shared<const int>(0));
  std::thread reader([&current] {
    int last = 0;
    while (last < 1000) {
      const int value = *current.Get();
      EXPECT_GE(value, last);
      last = value;
    }
  });
  for (int i = 1; i <= 1000; ++i) current.Set(std::make_shared<const int>(i));
  reader.join();
}

}  // namespace
}  // namespace turnpike::base
