// Prints docs/configuration.md from a descriptor set at its standard input:
//   protoc --proto_path=. --include_imports --include_source_info --descriptor_set_out=/dev/stdout
//       protos/turnpike/config/v1/config.proto | reference_main > docs/configuration.md
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/config/reference.h"

int main() {
  const std::string descriptor_set(std::istreambuf_iterator<char>(std::cin), {});
  const absl::StatusOr<std::string> reference = turnpike::config::MakeReference(descriptor_set);
  if (!reference.ok()) {
    std::fprintf(stderr, "%s\n", std::string(reference.status().message()).c_str());
    return 1;
  }
  std::fputs(reference->c_str(), stdout);
  return 0;
}
