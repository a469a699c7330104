// The files that a configuration is made of: the document and those that its `*_file` keys name.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_FILES_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_FILES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace turnpike::config {

// What tells one content of a file from another without reading it: which file a path leads to,
// all symlinks followed, and what the file system says of it. So a symlink that is swapped (as a
// mounted ConfigMap's), a file that is renamed over another (as editors do) and one that is written
// over are all seen, on network file systems too.
// Limit: two contents of the same length, written into the same file within one tick of the file
// system's clock, look alike.
struct FileIdentity {
  bool exists = false;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_seconds = 0;
  int64_t modified_nanoseconds = 0;

  bool operator==(const FileIdentity&) const = default;
};

// Looks at what is at `path` now. Blocks as stat(2) does.
FileIdentity IdentityOf(const std::string& path);

// A file as it was just before it was read.
struct SeenFile {
  std::string path;
  FileIdentity identity;
};

// By the path of the key that names the file (`accounts[2].password_file`); the document itself is
// under "".
using SeenFiles = std::map<std::string, SeenFile>;

// The keys of the files that are no longer what they were when they were read: changed, gone, or
// there now.
std::vector<std::string> ChangedFiles(const SeenFiles& files);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_FILES_H_
