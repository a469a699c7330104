#include "services/common/config/files.h"

#include <sys/stat.h>

namespace turnpike::config {

FileIdentity IdentityOf(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return {};
  return {.exists = true,
          .device = file.st_dev,
          .inode = file.st_ino,
          .bytes = static_cast<uint64_t>(file.st_size),
          .modified_seconds = file.st_mtim.tv_sec,
          .modified_nanoseconds = file.st_mtim.tv_nsec};
}

std::vector<std::string> ChangedFiles(const SeenFiles& files) {
  std::vector<std::string> changed;
  for (const auto& [key, file] : files) {
    if (IdentityOf(file.path) != file.identity) changed.push_back(key);
  }
  return changed;
}

}  // namespace turnpike::config
