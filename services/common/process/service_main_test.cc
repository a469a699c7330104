#include "services/common/process/service_main.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/common/observe/log.h"

namespace turnpike::process {
namespace {

using testing::ExitedWithCode;

constexpr char kMinimal[] =
    "hostname: mail.example.org\n"
    "services:\n"
    "  spool_store: {listen: \"127.0.0.1:0\", metrics_listen: \"127.0.0.1:0\"}\n"
    "smtp:\n"
    "  listeners:\n"
    "  - {name: mx, role: smtp, listen: \"127.0.0.1:0\"}\n";

std::string WriteConfig(const std::string& text) {
  const std::string path = testing::TempDir() + "/" +
                           testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml";
  std::ofstream(path) << text;
  return path;
}

// Sends itself a signal when it is up, and a second one while it drains if that is asked for.
class SignallingService : public Service {
 public:
  explicit SignallingService(bool hangs) : hangs_(hangs) { kill(getpid(), SIGTERM); }
  bool IsReady() const override { return true; }
  void Drain(absl::Time deadline) override {
    TURNPIKE_LOG(kInfo, "drain called",
                 {{"seconds", absl::ToInt64Seconds(deadline - absl::Now() + absl::Seconds(1))}});
    if (!hangs_) return;
    kill(getpid(), SIGINT);
    absl::SleepFor(absl::Minutes(10));
  }
  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& /*config*/) override {
    return absl::OkStatus();
  }
  std::string grpc_address() const override { return "127.0.0.1:4711"; }

 private:
  const bool hangs_;
};

absl::StatusOr<std::unique_ptr<Service>> MakeService(const Environment& environment) {
  EXPECT_EQ(environment.service, "spool-store");
  EXPECT_NE(environment.registry, nullptr);
  return std::make_unique<SignallingService>(/*hangs=*/false);
}

absl::StatusOr<std::unique_ptr<Service>> MakeHangingService(const Environment& /*environment*/) {
  return std::make_unique<SignallingService>(/*hangs=*/true);
}

// Asks for the configuration, and stops when it has come.
class AskingService : public Service {
 public:
  AskingService() { kill(getpid(), SIGHUP); }
  bool IsReady() const override { return true; }
  void Drain(absl::Time) override { TURNPIKE_LOG(kInfo, "drain called"); }
  absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) override {
    TURNPIKE_LOG(kInfo, "reconfigured", {{"hostname", config->hostname()}});
    kill(getpid(), SIGTERM);
    return absl::OkStatus();
  }
};

absl::StatusOr<std::unique_ptr<Service>> MakeAskingService(const Environment& /*environment*/) {
  return std::make_unique<AskingService>();
}

absl::StatusOr<std::unique_ptr<Service>> FailToMakeService(const Environment& /*environment*/) {
  return absl::UnavailableError("disk is on fire");
}

const config::v1::ServiceEndpoint& PickSpoolStore(const config::v1::Services& services) {
  return services.spool_store();
}

// Never returns: ends the child process of a death test.
[[noreturn]] void RunMain(std::vector<std::string> arguments,
                          const ServiceFactory& factory = MakeService) {
  // Death tests look at standard error only.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  arguments.insert(arguments.begin(), "spool-store");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  std::exit(ServiceMain(static_cast<int>(argv.size()), argv.data(), "spool-store", &PickSpoolStore,
                        factory));
}

TEST(ServiceMainTest, SignalDrainsAndExitsWithZero) {
  EXPECT_EXIT(RunMain({"--config", WriteConfig(kMinimal)}), ExitedWithCode(0),
              "\"text\":\"serving\",\"grpc\":\"127.0.0.1:4711\",\"metrics\":\"127.0.0.1:[1-9].*"
              "\"text\":\"drain called\",\"seconds\":25.*\"text\":\"stopped\"");
}

TEST(ServiceMainTest, SecondSignalEndsTheDrainAtOnce) {
  EXPECT_EXIT(RunMain({"--config", WriteConfig(kMinimal)}, MakeHangingService), ExitedWithCode(1),
              "drain called");
}

TEST(ServiceMainTest, DrainWaitsForTheDelay) {
  const std::string delayed = absl::StrReplaceAll(
      kMinimal, {{"services:\n", "services:\n  drain_delay: 300ms\n  drain_timeout: 0s\n"}});
  const absl::Time begin = absl::Now();
  EXPECT_EXIT(RunMain({"--config", WriteConfig(delayed)}), ExitedWithCode(0), "drain called");
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(300));
}

TEST(ServiceMainTest, HangUpHasTheConfigurationTakenByTheService) {
  EXPECT_EXIT(RunMain({"--config", WriteConfig(kMinimal)}, MakeAskingService), ExitedWithCode(0),
              "\"text\":\"reconfigured\",\"hostname\":\"mail.example.org\".*drain called");
}

TEST(ServiceMainTest, ServiceThatCannotStartExitsWithOne) {
  EXPECT_EXIT(RunMain({"--config", WriteConfig(kMinimal)}, FailToMakeService), ExitedWithCode(1),
              "\"text\":\"cannot start\",\"error\":\"disk is on fire\"");
}

TEST(ServiceMainTest, CheckOfAValidFileSaysSo) {
  const std::string path = WriteConfig(kMinimal);
  EXPECT_EXIT(RunMain({"--config", path, "--check"}), ExitedWithCode(0),
              path + ": configuration is valid\n");
}

TEST(ServiceMainTest, CheckOfABadFilePrintsAllErrorsAndExitsWithTwo) {
  const std::string path = WriteConfig("smpt: {}\nretry: {interval: 1}\n");
  EXPECT_EXIT(RunMain({"--config", path, "--check"}), ExitedWithCode(2),
              "^" + path + ":1:1: smpt: unknown key; did you mean `smtp`\\?\n" + path +
                  ":2:19: retry.interval: must be a time");
}

TEST(ServiceMainTest, BadConfigurationIsLoggedAndExitsWithTwo) {
  EXPECT_EXIT(RunMain({"--config", WriteConfig("smpt: {}\n")}), ExitedWithCode(2),
              "\"text\":\"configuration is not valid\",\"error\":\"/.*:1:1: smpt: unknown key");
}

TEST(ServiceMainTest, MissingFileIsNamed) {
  EXPECT_EXIT(RunMain({"--config", "/nonexistent/turnpike.yaml", "--check"}), ExitedWithCode(2),
              "/nonexistent/turnpike.yaml: No such file or directory");
}

TEST(ServiceMainTest, WrongFlagsShowTheUsage) {
  EXPECT_EXIT(RunMain({"--cheque"}), ExitedWithCode(2),
              "--cheque: unknown flag\nusage: spool-store");
}

TEST(ServiceMainTest, VersionIsPrinted) {
  EXPECT_EXIT(RunMain({"--version"}), ExitedWithCode(0), "^spool-store [0-9]+\\.[0-9]+\\.[0-9]+\n");
}

}  // namespace
}  // namespace turnpike::process
