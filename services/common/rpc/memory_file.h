// A file without a place on a disk, for libraries that read nothing else: its path works within
// this process only, and what it holds is gone with it.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_MEMORY_FILE_H_
#define TURNPIKE_SERVICES_COMMON_RPC_MEMORY_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace turnpike::rpc {

// Thread-compatible; readers need no lock.
class MemoryFile {
 public:
  // RESOURCE_EXHAUSTED when the process has no descriptor or memory left for it.
  static absl::StatusOr<MemoryFile> Create(absl::string_view content);
  MemoryFile(MemoryFile&& other) noexcept;
  MemoryFile& operator=(MemoryFile&&) = delete;
  ~MemoryFile();

  std::string path() const;

  // Who opens the path gets all of the old content or all of the new one. The time of its last
  // change is later than before by a second at least. On an error the old content stays.
  absl::Status Replace(absl::string_view content);

 private:
  explicit MemoryFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;  // -1: moved away
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_MEMORY_FILE_H_
