// Kills a store at full speed with SIGKILL, over and over, and looks for what it had acknowledged
// (PL-20). TURNPIKE_CRASH_ROUNDS sets the number of kills (default 20).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "services/common/base/clock.h"
#include "services/common/base/random.h"
#include "services/spool-store/storage/rocks_store.h"
#include "services/spool-store/storage/testing.h"
#include "services/spool-store/storage/testing_load.h"

namespace turnpike::spool {
namespace {

constexpr size_t kWriteBufferBytes = 1 << 20;  // so that files are written all the time
constexpr char kChildDirectory[] = "TURNPIKE_CRASH_DIRECTORY";

// The child: says on standard output what its load reports, one line each, until it is killed.
int RunChild(const std::string& directory) {
  Metrics metrics(std::make_shared<prometheus::Registry>());
  auto store = RocksStore::Open(
      {.directory = directory, .free_bytes_min = 0, .write_buffer_bytes = kWriteBufferBytes},
      base::Clock::System(), metrics);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 2;
  }
  Load load(**store, [](char what, const std::string& name) {
    // Short enough to be one piece in the pipe.
    const std::string line =
        absl::StrCat(std::string(1, what), " ", absl::BytesToHexString(name), "\n");
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(3);
  });
  while (true) {
    load.Turn();
    absl::SleepFor(absl::Milliseconds(2));
  }
}

class CrashTest : public testing::Test {
 protected:
  // Runs a child until it is killed, and notes what it has said.
  void RunAndKill() {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const std::string directory = absl::StrCat(kChildDirectory, "=", directory_.path(), "/spool");
    const pid_t child = fork();
    if (child == 0) {
      dup2(pipe_ends[1], STDOUT_FILENO);
      close(pipe_ends[0]);
      close(pipe_ends[1]);
      char* const arguments[] = {const_cast<char*>("crash_test"), nullptr};
      char* const environment[] = {const_cast<char*>(directory.c_str()), nullptr};
      execve("/proc/self/exe", arguments, environment);
      _exit(6);
    }
    ASSERT_GT(child, 0);
    close(pipe_ends[1]);
    std::atomic<bool> is_started = false;
    std::thread killer([&] {
      while (!is_started) absl::SleepFor(absl::Milliseconds(1));
      absl::SleepFor(absl::Milliseconds(5 + base::RandomUint64() % 300));
      kill(child, SIGKILL);
    });
    std::string said;
    char buffer[1 << 16];
    ssize_t count;
    while ((count = read(pipe_ends[0], buffer, sizeof(buffer))) > 0) {
      said.append(buffer, static_cast<size_t>(count));
      is_started = true;
    }
    is_started = true;
    killer.join();
    close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child has ended by itself: " << WEXITSTATUS(status);
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
    std::istringstream lines(said);
    std::string what, name;
    while (lines >> what >> name) record_.Note(what[0], absl::HexStringToBytes(name));
  }

  void Verify() {
    Metrics metrics(std::make_shared<prometheus::Registry>());
    auto store = RocksStore::Open({.directory = directory_.path() + "/spool", .free_bytes_min = 0},
                                  base::Clock::System(), metrics);
    ASSERT_TRUE(store.ok()) << store.status();
    ExpectComplete(**store, record_);
  }

  TemporaryDirectory directory_;
  LoadRecord record_;
};

TEST_F(CrashTest, NothingAcknowledgedIsLostOrDeliveredAgain) {
  const char* rounds_text = std::getenv("TURNPIKE_CRASH_ROUNDS");
  const int rounds = rounds_text == nullptr ? 20 : std::atoi(rounds_text);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    RunAndKill();
    if (HasFailure()) break;
    Verify();
  }
  EXPECT_GT(record_.stored.size(), 500u);
  EXPECT_GT(record_.delivered.size(), 50u);
  std::printf("%d kills, %zu deliveries acknowledged, %zu settled\n", rounds, record_.stored.size(),
              record_.delivered.size());
}

}  // namespace
}  // namespace turnpike::spool

int main(int argc, char** argv) {
  if (const char* directory = std::getenv(turnpike::spool::kChildDirectory)) {
    return turnpike::spool::RunChild(directory);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
