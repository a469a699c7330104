// Makes an AccountDirectory of blocking ones: threads, a queue with bounds, and a memory. (AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_POOLED_DIRECTORY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_POOLED_DIRECTORY_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/auth-service/core/account_directory.h"
#include "services/auth-service/directory/blocking_directory.h"
#include "services/auth-service/directory/metrics.h"
#include "services/common/base/clock.h"

namespace turnpike::auth {

// Equal questions that are open at one time are asked once. Accounts, and that there is none, are
// remembered; errors and the results of password checks are not.
//
// Thread-safe.
class PooledDirectory : public AccountDirectory {
 public:
  struct Options {
    std::string name;  // for the log
    std::function<std::unique_ptr<BlockingDirectory>()> connect;
    size_t connections_max = 4;  // a thread each; > 0
    size_t waiting_max = 1'000;  // questions without a thread; further ones are UNAVAILABLE
    absl::Duration timeout = absl::Seconds(5);      // of a question, with its wait
    absl::Duration cache_time = absl::Seconds(60);  // 0: nothing is remembered
    size_t cache_entries_max = 100'000;
    bool has_verifiers = false;
  };
  // The others outlive this.
  PooledDirectory(Options options, DirectoryMetrics& metrics, const base::Clock& clock);
  // Waits for what the threads are doing; what waits for a thread ends with UNAVAILABLE.
  ~PooledDirectory() override;

  void Find(std::string address, absl::Time deadline, FindDone done) override;
  void CheckPassword(std::string address, std::string password, absl::Time deadline,
                     CheckDone done) override;
  bool checks_passwords() const override { return true; }
  bool has_verifiers() const override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_DIRECTORY_POOLED_DIRECTORY_H_
