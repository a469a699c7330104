#include "services/common/config/files.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string InTestFolder(const std::string& name) {
  return testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name() +
         "." + name;
}

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = InTestFolder(name);
  std::ofstream(path) << content;
  return path;
}

SeenFiles Seen(const std::string& path) { return {{"key", {path, IdentityOf(path)}}}; }

TEST(FilesTest, FileThatNobodyTouchedHasNotChanged) {
  EXPECT_THAT(ChangedFiles(Seen(Write("a", "one"))), IsEmpty());
}

TEST(FilesTest, FileThatIsWrittenOverHasChanged) {
  const std::string path = Write("a", "one");
  const SeenFiles files = Seen(path);
  Write("a", "three");
  EXPECT_THAT(ChangedFiles(files), ElementsAre("key"));
}

TEST(FilesTest, FileThatAnotherIsRenamedOverHasChanged) {
  const std::string path = Write("a", "one");
  const SeenFiles files = Seen(path);
  ASSERT_EQ(std::rename(Write("b", "two").c_str(), path.c_str()), 0);
  EXPECT_THAT(ChangedFiles(files), ElementsAre("key"));
}

TEST(FilesTest, SwappedSymlinkOnTheWayIsAChange) {
  const std::string link = InTestFolder("link");
  ASSERT_EQ(symlink(Write("a", "one").c_str(), link.c_str()), 0);
  const SeenFiles files = Seen(link);
  const std::string next = InTestFolder("next");
  ASSERT_EQ(symlink(Write("b", "one").c_str(), next.c_str()), 0);
  ASSERT_EQ(std::rename(next.c_str(), link.c_str()), 0);
  EXPECT_THAT(ChangedFiles(files), ElementsAre("key"));
}

TEST(FilesTest, FileThatComesOrGoesIsAChange) {
  const std::string path = Write("a", "one");
  const SeenFiles there = Seen(path);
  ASSERT_EQ(std::remove(path.c_str()), 0);
  EXPECT_THAT(ChangedFiles(there), ElementsAre("key"));
  const SeenFiles gone = Seen(path);
  EXPECT_THAT(ChangedFiles(gone), IsEmpty());
  Write("a", "one");
  EXPECT_THAT(ChangedFiles(gone), ElementsAre("key"));
}

}  // namespace
}  // namespace turnpike::config
