#include "services/common/config/reference.h"

#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/base/file.h"

namespace turnpike::config {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// The reference of the protos. Tests run at the top of the repository's files.
std::string Reference() {
  const std::string path = testing::TempDir() + "/config.descriptors";
  const std::string command =
      "/usr/bin/protoc --proto_path=. --include_imports --include_source_info "
      "--descriptor_set_out='" +
      path + "' protos/turnpike/config/v1/config.proto";
  EXPECT_EQ(std::system(command.c_str()), 0);
  const absl::StatusOr<std::string> descriptors = base::ReadFile(path, 1 << 24);
  EXPECT_TRUE(descriptors.ok()) << descriptors.status();
  const absl::StatusOr<std::string> reference = MakeReference(descriptors.value_or(""));
  EXPECT_TRUE(reference.ok()) << reference.status();
  return reference.value_or("");
}

TEST(ReferenceTest, PageInTheRepositoryIsMadeOfThePresentProtos) {
  EXPECT_EQ(base::ReadFile("docs/configuration.md", 1 << 20).value_or(""), Reference())
      << "make the page again as services/common/config/reference_main.cc says";
}

TEST(ReferenceTest, KeysHaveValuesDefaultsAndMeanings) {
  const std::string reference = Reference();
  EXPECT_THAT(reference, HasSubstr("\n## `gateways[].etrn`\n"));
  EXPECT_THAT(reference, HasSubstr("| `port` | number, 1 to 65535 | `25` |"));
  EXPECT_THAT(reference, HasSubstr("| `domain` | domain, each once | **required** |"));
  EXPECT_THAT(reference, HasSubstr("`submission` (port 587, AUTH required [RFC6409])"));
  EXPECT_THAT(reference, HasSubstr("`services.spool_store`"));
}

TEST(ReferenceTest, KeysThatAreTakenAtStartAreMarked) {
  const std::string reference = Reference();
  EXPECT_THAT(reference, ContainsRegex("\n\\| `directory` \\|[^\n]* _At start\\._ \\|\n"));
  // By the section that they are in.
  EXPECT_THAT(reference, ContainsRegex("\n\\| `metrics_listen` \\|[^\n]* _At start\\._ \\|\n"));
  EXPECT_THAT(reference, Not(ContainsRegex("\n\\| `free_bytes_min` \\|[^\n]*_At start")));
}

TEST(ReferenceTest, OtherInputIsAnError) {
  EXPECT_FALSE(MakeReference("").ok());
  EXPECT_FALSE(MakeReference("text").ok());
}

}  // namespace
}  // namespace turnpike::config
