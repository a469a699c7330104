#include "services/common/process/reloader.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "services/common/config/loader.h"

namespace turnpike::process {
namespace {

using ConfigPointer = Reloader::ConfigPointer;

constexpr char kListener[] =
    "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n";

class ReloaderTest : public testing::Test {
 protected:
  ReloaderTest() { WriteDocument("hostname: one.example\n"); }

  std::string PathOf(const std::string& name) const {
    return absl::StrCat(testing::TempDir(), "/",
                        testing::UnitTest::GetInstance()->current_test_info()->name(), ".", name);
  }
  // As editors write: another file takes the place.
  std::string WriteFile(const std::string& name, const std::string& text) {
    const std::string fresh = PathOf(name + ".new");
    std::ofstream(fresh) << text;
    EXPECT_EQ(std::rename(fresh.c_str(), PathOf(name).c_str()), 0);
    return PathOf(name);
  }
  void WriteDocument(const std::string& text) { WriteFile("yaml", absl::StrCat(kListener, text)); }

  // What the process does at start.
  void Start() {
    config::SeenFiles files;
    absl::StatusOr<config::LoadedConfig> loaded =
        config::LoadConfig(PathOf("yaml"), {.service = "auth-service", .files = &files});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    reloader_ = std::make_unique<Reloader>(Reloader::Options{
        .path = PathOf("yaml"),
        .service = "auth-service",
        .running = std::make_shared<const config::v1::Config>(std::move(loaded->config)),
        .files = std::move(files),
        .registry = &registry_});
  }
  void Look(bool is_asked = false) {
    reloader_->Look(is_asked, [this](const ConfigPointer& config) {
      ++taken_;
      last_ = config;
      return answer_;
    });
  }
  double Gauge(const std::string& name) {
    for (const auto& family : registry_.Collect()) {
      if (family.name == name) return family.metric.at(0).gauge.value;
    }
    ADD_FAILURE() << name;
    return -1;
  }
  double Successful() { return Gauge("turnpike_config_last_reload_successful"); }
  double RestartNeeded() { return Gauge("turnpike_config_restart_needed"); }

  prometheus::Registry registry_;
  std::unique_ptr<Reloader> reloader_;
  absl::Status answer_;  // of the service
  int taken_ = 0;
  ConfigPointer last_;
};

TEST_F(ReloaderTest, NothingIsReadWhileNothingChanges) {
  Start();
  Look();
  EXPECT_EQ(taken_, 0);
  EXPECT_EQ(Successful(), 1);
}

TEST_F(ReloaderTest, ChangedDocumentIsTakenUpOnce) {
  Start();
  WriteDocument("hostname: two.example\n");
  Look();
  Look();
  EXPECT_EQ(taken_, 1);
  EXPECT_EQ(last_->hostname(), "two.example");
  EXPECT_EQ(reloader_->running(), last_);
}

TEST_F(ReloaderTest, BadDocumentIsRefusedAndTriedAgainWhenItChanges) {
  Start();
  WriteDocument("hostnaem: two.example\n");
  Look();
  EXPECT_EQ(taken_, 0);
  EXPECT_EQ(Successful(), 0);
  EXPECT_EQ(reloader_->running()->hostname(), "one.example");
  WriteDocument("hostname: three.example\n");
  Look();
  EXPECT_EQ(taken_, 1);
  EXPECT_EQ(Successful(), 1);
  EXPECT_EQ(reloader_->running()->hostname(), "three.example");
}

TEST_F(ReloaderTest, DocumentThatIsGoneIsRefused) {
  Start();
  ASSERT_EQ(std::remove(PathOf("yaml").c_str()), 0);
  Look();
  EXPECT_EQ(Successful(), 0);
  EXPECT_EQ(reloader_->running()->hostname(), "one.example");
}

TEST_F(ReloaderTest, ConfigurationThatTheServiceRefusesIsNotTheRunningOne) {
  Start();
  WriteDocument("hostname: two.example\n");
  answer_ = absl::InvalidArgumentError("the key does not belong to the certificate");
  Look();
  EXPECT_EQ(Successful(), 0);
  EXPECT_EQ(reloader_->running()->hostname(), "one.example");
  Look();
  EXPECT_EQ(taken_, 1);  // not again before something changes
}

TEST_F(ReloaderTest, ChangedSecretFileIsTakenUp) {
  const std::string secret = WriteFile("secret", "{PLAIN}old");
  const std::string account =
      absl::StrCat("accounts: [{address: a@x.example, password_file: ", secret, "}]\n");
  WriteDocument(account);
  Start();
  WriteFile("secret", "{PLAIN}new");
  Look();
  EXPECT_EQ(taken_, 1);
  EXPECT_EQ(last_->accounts(0).password(), "{PLAIN}new");
}

TEST_F(ReloaderTest, FileThatWasMissingIsTakenUpWhenItComes) {
  Start();
  WriteDocument(
      absl::StrCat("accounts: [{address: a@x.example, password_file: ", PathOf("secret"), "}]\n"));
  Look();
  EXPECT_EQ(Successful(), 0);
  WriteFile("secret", "{PLAIN}new");
  Look();
  EXPECT_EQ(Successful(), 1);
  EXPECT_EQ(reloader_->running()->accounts_size(), 1);
}

TEST_F(ReloaderTest, FileThatChangedWhileTheDocumentWasBadIsTakenUpLater) {
  const std::string list = WriteFile("list", "a@x.example\n");
  const std::string gateway = absl::StrCat(
      "gateways: [{domain: x.example, atrn: {enabled: false}, recipients_file: ", list, "}]\n");
  WriteDocument(gateway);
  Start();
  WriteDocument("nonsense: 1\n");
  WriteFile("list", "b@x.example\n");
  Look();
  WriteDocument(gateway);
  Look();
  EXPECT_EQ(taken_, 1);
}

TEST_F(ReloaderTest, WhoAsksGetsTheFilesReadInAnyCase) {
  Start();
  Look(/*is_asked=*/true);
  EXPECT_EQ(taken_, 1);
}

TEST_F(ReloaderTest, KeyThatIsTakenAtStartIsToldUntilItIsPutBack) {
  Start();
  WriteDocument("hostname: two.example\nspool: {directory: /elsewhere}\n");
  Look();
  EXPECT_EQ(RestartNeeded(), 1);
  EXPECT_EQ(last_->hostname(), "two.example");
  EXPECT_EQ(last_->spool().directory(), "/var/spool/turnpike");
  WriteDocument("hostname: two.example\n");
  Look();
  EXPECT_EQ(RestartNeeded(), 0);
  EXPECT_EQ(taken_, 1);
}

}  // namespace
}  // namespace turnpike::process
