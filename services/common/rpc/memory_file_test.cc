#include "services/common/rpc/memory_file.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <utility>

#include "services/common/base/file.h"

namespace turnpike::rpc {
namespace {

std::string Read(const MemoryFile& file) { return *base::ReadFile(file.path(), 1 << 20); }

time_t ChangedAt(const MemoryFile& file) {
  struct stat status = {};
  EXPECT_EQ(stat(file.path().c_str(), &status), 0);
  return status.st_mtime;
}

TEST(MemoryFileTest, PathHoldsTheContentAndThenTheNewOne) {
  MemoryFile file = *MemoryFile::Create("first");
  EXPECT_EQ(Read(file), "first");
  ASSERT_TRUE(file.Replace("another, which is longer").ok());
  EXPECT_EQ(Read(file), "another, which is longer");
  ASSERT_TRUE(file.Replace("").ok());
  EXPECT_EQ(Read(file), "");
}

TEST(MemoryFileTest, EachReplacementIsSeenByTheTimeOfTheLastChange) {
  MemoryFile file = *MemoryFile::Create("0");
  time_t before = ChangedAt(file);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(file.Replace("1").ok());
    EXPECT_GT(ChangedAt(file), before);
    before = ChangedAt(file);
  }
}

TEST(MemoryFileTest, KeepsItsPathWhenItMoves) {
  MemoryFile file = *MemoryFile::Create("content");
  const std::string path = file.path();
  const MemoryFile moved = std::move(file);
  EXPECT_EQ(moved.path(), path);
  EXPECT_EQ(Read(moved), "content");
}

TEST(MemoryFileTest, IsReadableWhenNobodyElseMayLookIntoTheProcess) {
  const MemoryFile file = *MemoryFile::Create("secret");
  ASSERT_EQ(prctl(PR_SET_DUMPABLE, 0), 0);  // as ForbidCoreDumps does
  EXPECT_EQ(Read(file), "secret");
  prctl(PR_SET_DUMPABLE, 1);
}

}  // namespace
}  // namespace turnpike::rpc
