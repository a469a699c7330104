#include "services/common/base/file.h"

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

std::string WriteTemporary(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

TEST(ReadFileTest, ReturnsAllOctets) {
  const std::string content = std::string(10'000, 'x') + std::string("\0\r\n", 3);
  EXPECT_EQ(*ReadFile(WriteTemporary("all", content), 1'000'000), content);
}

TEST(ReadFileTest, EmptyFileIsEmpty) { EXPECT_EQ(*ReadFile(WriteTemporary("empty", ""), 0), ""); }

TEST(ReadFileTest, LimitIsInclusive) {
  const std::string path = WriteTemporary("limit", "12345");
  EXPECT_EQ(*ReadFile(path, 5), "12345");
  const absl::Status status = ReadFile(path, 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(absl::StrContains(status.message(), path));
}

TEST(ReadFileTest, MissingFileIsNotFoundAndNamed) {
  const absl::Status status = ReadFile("/nonexistent/file", 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "/nonexistent/file: No such file or directory");
}

TEST(ReadFileTest, DirectoryIsRefused) {
  EXPECT_EQ(ReadFile(testing::TempDir(), 10).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ReadFileTest, FilesWithoutASizeAreRead) {
  EXPECT_FALSE(ReadFile("/proc/self/stat", 100'000)->empty());
}

}  // namespace
}  // namespace turnpike::base
