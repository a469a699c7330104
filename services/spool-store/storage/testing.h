// For tests of the storage.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "services/common/base/check.h"

namespace turnpike::spool {

// A folder that is deleted with its content.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TEST_TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/spool.XXXXXX";
    TURNPIKE_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_H_
