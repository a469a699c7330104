#include "services/turnpikectl/connection/targets.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace turnpike::ctl {
namespace {

using Environment = std::map<std::string, std::string>;
using Strings = std::vector<std::string>;

Targets Make(Environment environment, std::map<std::string, std::string> flags,
             std::string config = "") {
  return Targets({.flags = std::move(flags),
                  .config = std::move(config),
                  .environment = [environment](const char* name) -> std::optional<std::string> {
                    const auto found = environment.find(name);
                    if (found == environment.end()) return std::nullopt;
                    return found->second;
                  }});
}

std::string WriteConfig() {
  const std::string path = testing::TempDir() + "/turnpike.yaml";
  std::ofstream(path) << "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:25\"}]}\n"
                         "accounts:\n"
                         "  - {address: a@example.org, password_file: /nonexistent/secret}\n"
                         "local_domains:\n"
                         "  - {domain: example.org, mailbox_server: \"127.0.0.1:24\"}\n"
                         "services: {spool_store: {listen: \"127.0.0.1:9101\"}}\n";
  return path;
}

const ServiceInfo& Store() { return ServiceOfMethod("turnpike.spool.v1.SpoolService.ListQueues"); }

TEST(TargetsTest, FlagWinsOverEnvironmentAndConfiguration) {
  Targets targets = Make({{"TURNPIKE_SPOOL_STORE", "b:1"}}, {{"--spool-store", "a:1"}});
  EXPECT_EQ(*targets.Of(Store()), Strings{"a:1"});
  Targets by_environment = Make({{"TURNPIKE_SPOOL_STORE", "b:1, c:1"}}, {});
  EXPECT_EQ(*by_environment.Of(Store()), (Strings{"b:1", "c:1"}));
}

TEST(TargetsTest, ConfigurationSaysTheRestWithoutItsSecrets) {
  const std::string path = WriteConfig();
  Targets targets = Make({{"TURNPIKE_CONFIG", path}}, {});
  EXPECT_EQ(*targets.Of(Store()), Strings{"127.0.0.1:9101"});
  const ServiceInfo& dequeue = ServiceOfMethod("turnpike.dequeue.v1.DequeueService.GetGateway");
  EXPECT_EQ(*targets.Of(dequeue), Strings{"127.0.0.1:7103"});
  Targets by_flag = Make({{"TURNPIKE_CONFIG", "/nonexistent"}}, {}, path);
  EXPECT_EQ(*by_flag.Of(Store()), Strings{"127.0.0.1:9101"});
}

TEST(TargetsTest, IdentityIsOfTheFlagThenTheEnvironmentThenTheConfiguration) {
  const std::string path = testing::TempDir() + "/with_tls.yaml";
  std::ofstream(path) << "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:25\"}]}\n"
                         "services: {tls: {directory: /c, trust_domain: mail.example}}\n";
  const auto identity = [&](std::string flag, Environment environment) {
    environment["TURNPIKE_CONFIG"] = path;
    Targets targets({.tls_directory = std::move(flag),
                     .environment = [environment](const char* name) -> std::optional<std::string> {
                       const auto found = environment.find(name);
                       if (found == environment.end()) return std::nullopt;
                       return found->second;
                     }});
    const auto source = targets.Identity();
    EXPECT_TRUE(source.ok() && source->has_value()) << source.status();
    EXPECT_EQ((*source)->service, "turnpikectl");
    return (*source)->directory + " of " + (*source)->trust_domain;
  };
  EXPECT_EQ(identity("/a", {{"TURNPIKE_TLS_DIRECTORY", "/b"}}), "/a of ");
  EXPECT_EQ(identity("", {{"TURNPIKE_TLS_DIRECTORY", "/b"}}), "/b of ");
  EXPECT_EQ(identity("", {}), "/c of mail.example");
}

TEST(TargetsTest, WithoutConfigurationOrTlsInItThereIsNoIdentity) {
  Targets without = Make({{"TURNPIKE_CONFIG", "/nonexistent"}}, {{"--spool-store", "a:1"}});
  EXPECT_EQ(without.Identity()->has_value(), false);
  Targets plain = Make({{"TURNPIKE_CONFIG", WriteConfig()}}, {});
  EXPECT_EQ(plain.Identity()->has_value(), false);
}

TEST(TargetsTest, WithoutAnythingTheErrorSaysWhatToDo) {
  Targets targets = Make({{"TURNPIKE_CONFIG", "/nonexistent/turnpike.yaml"}}, {});
  const absl::Status status = targets.Of(Store()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  for (const char* part :
       {"spool-store", "/nonexistent/turnpike.yaml", "--config", "--spool-store HOST:PORT"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
}

TEST(TargetsTest, EveryServiceIsKnownByItsMethods) {
  EXPECT_EQ(AllServices().size(), 5u);
  for (const ServiceInfo& service : AllServices()) {
    EXPECT_EQ(&ServiceOfMethod(std::string(service.proto) + ".X.Y"), &service);
  }
}

}  // namespace
}  // namespace turnpike::ctl
