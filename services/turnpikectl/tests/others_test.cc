// sessions, destinations, route explain, screen, explain rcpt, account hash, config check, version,
// completion, and what all commands have in common.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "protos/turnpike/auth/v1/admin.pb.h"
#include "protos/turnpike/delivery/v1/delivery.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/frontend/v1/frontend.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/credentials/verifiers.h"
#include "services/common/net/testing/test_certificate.h"
#include "services/turnpikectl/testing/program.h"

namespace turnpike::ctl {
namespace {

using testing::HasSubstr;

constexpr char kAdmin[] = "turnpike.auth.v1.AuthAdminService.";

std::string WriteFile(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

void AnswerSessions(FakeServices& services) {
  services.On<frontend::v1::ListSessionsRequest, frontend::v1::ListSessionsResponse>(
      "turnpike.frontend.v1.FrontendService.ListSessions", [](const auto&, auto& response) {
        response.add_sessions()->set_session_id("s1");
        return absl::OkStatus();
      });
}

TEST(SessionsTest, EveryFrontendThatIsNamedIsAsked) {
  Program program;
  AnswerSessions(program.services());
  FakeServices other;
  AnswerSessions(other);
  const std::string both = program.services().address() + "," + other.address();
  const auto result = program.Run({"sessions", "-o", "wide", "--smtp-frontend", both});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(program.services().address()));
  EXPECT_THAT(result.out, HasSubstr(other.address()));
}

TEST(SessionsTest, FrontendThatIsAwayIsSaidAndTheOthersAreShown) {
  Program program;
  AnswerSessions(program.services());
  std::string gone;
  { gone = FakeServices().address(); }
  const std::string both = gone + "," + program.services().address();
  const auto result = program.Run({"sessions", "-o", "name", "--smtp-frontend", both});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "s1\n");
  EXPECT_THAT(result.err, HasSubstr("cannot reach smtp-frontend at " + gone));
  EXPECT_EQ(program.Run({"sessions", "--smtp-frontend", gone}).code, 5);
}

TEST(RouteTest, ExplainShowsHostsOrTheFailure) {
  Program program;
  program.services().On<delivery::v1::ExplainRouteRequest, delivery::v1::ExplainRouteResponse>(
      "turnpike.delivery.v1.DeliveryService.ExplainRoute", [](const auto& request, auto& response) {
        if (request.queue().name() == "none.example") {
          response.mutable_failure()->set_code(556);
          response.mutable_failure()->set_enhanced_code("5.1.10");
          return absl::OkStatus();
        }
        delivery::v1::Hop* hop = response.add_hops();
        hop->set_host(request.has_route() ? request.route().host() : "mx.example.org");
        hop->set_address("192.0.2.1");
        hop->set_port(25);
        return absl::OkStatus();
      });
  EXPECT_THAT(program.Run({"route", "explain", "example.org"}).out,
              HasSubstr("  mx.example.org  192.0.2.1    25"));
  EXPECT_THAT(program.Run({"route", "explain", "gateway/a.example", "--to", "[b.example]"}).out,
              HasSubstr("  b.example  192.0.2.1    25"));
  EXPECT_THAT(program.Run({"route", "explain", "none.example"}).out,
              HasSubstr("Failure:  556 5.1.10\n"));
}

TEST(RouteTest, DomainIsTakenForARemoteOneWhereNoConfigurationSays) {
  Program program;
  program.services().On<delivery::v1::ExplainRouteRequest, delivery::v1::ExplainRouteResponse>(
      "turnpike.delivery.v1.DeliveryService.ExplainRoute",
      [](const auto&, auto&) { return absl::OkStatus(); });
  const auto result = program.Run({"route", "explain", "office.example"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("remote/office.example"));
  EXPECT_THAT(result.err, HasSubstr("office.example is taken for a remote domain, as the"));
  EXPECT_EQ(program.Run({"route", "explain", "remote/office.example"}).err, "");
}

TEST(RouteTest, QueueOfADomainIsThatOfTheConfiguration) {
  Program program;
  delivery::v1::ExplainRouteRequest asked;
  program.services().On<delivery::v1::ExplainRouteRequest, delivery::v1::ExplainRouteResponse>(
      "turnpike.delivery.v1.DeliveryService.ExplainRoute",
      [&asked](const auto& request, auto& response) {
        asked = request;
        response.add_hops()->set_host("mx.example.org");
        return absl::OkStatus();
      });
  const std::string config = WriteFile(
      "routes.yaml",
      "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:25\"}]}\n"
      "local_domains: [{domain: office.example, mailbox_server: \"127.0.0.1:24\"}]\n"
      "gateways:\n"
      "  - {domain: asks.example, aliases: [also.example]}\n"
      "  - {domain: told.example, etrn: {deliver_to: \"[mx.told.example]\", port: 2525}}\n");
  const auto explain = [&](const std::vector<std::string>& words) {
    asked.Clear();
    std::vector<std::string> line = {"route", "explain", "--config", config};
    line.insert(line.end(), words.begin(), words.end());
    const auto result = program.Run(line);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_THAT(explain({"Office.example"}), HasSubstr("Queue:    local/office.example\n"));
  EXPECT_EQ(asked.queue().kind(), spool::v1::QUEUE_KIND_LOCAL);
  EXPECT_THAT(explain({"far.example"}), HasSubstr("remote/far.example\nHeld:     -\n"));

  // Nobody has said where: no worker is asked.
  EXPECT_THAT(explain({"also.example"}),
              HasSubstr("gateway/asks.example\n"
                        "Held:     until asks.example asks for it (ETRN, ATRN); it goes to the "
                        "host that asks\n"));
  EXPECT_FALSE(asked.has_queue());

  EXPECT_THAT(explain({"told.example"}),
              HasSubstr("ETRN and a release send it to [mx.told.example]:2525\n"));
  EXPECT_EQ(asked.route().host(), "mx.told.example");
  EXPECT_EQ(asked.route().port(), 2525);

  EXPECT_THAT(explain({"asks.example", "--to", "192.0.2.1"}), HasSubstr("mx.example.org"));
  EXPECT_EQ(asked.queue().name(), "asks.example");
  EXPECT_EQ(asked.route().address(), "192.0.2.1");
}

TEST(ScreenTest, NetworksAreListedAddedAndRemoved) {
  Program program;
  FakeServices& services = program.services();
  services.On<auth::v1::ListScreenEntriesRequest, auth::v1::ListScreenEntriesResponse>(
      std::string(kAdmin) + "ListScreenEntries", [](const auto&, auto& response) {
        auth::v1::ScreenEntry* entry = response.add_entries();
        entry->set_network("192.0.2.1/32");
        entry->set_reason("failed logins");
        return absl::OkStatus();
      });
  auth::v1::AddScreenEntryRequest add;
  services.On<auth::v1::AddScreenEntryRequest, auth::v1::AddScreenEntryResponse>(
      std::string(kAdmin) + "AddScreenEntry", [&add](const auto& request, auto& response) {
        add = request;
        response.mutable_entry()->set_network("192.0.2.0/24");
        return absl::OkStatus();
      });
  services.On<auth::v1::RemoveScreenEntryRequest, auth::v1::RemoveScreenEntryResponse>(
      std::string(kAdmin) + "RemoveScreenEntry",
      [](const auto&, auto&) { return absl::NotFoundError("192.0.2.9 is not blocked"); });
  EXPECT_THAT(program.Run({"screen", "list"}).out, HasSubstr("192.0.2.1/32"));
  EXPECT_EQ(program.Run({"screen", "add", "192.0.2.0/24", "--for", "2h", "--reason", "scan"}).out,
            "192.0.2.0/24: blocked until it is removed\n");
  EXPECT_EQ(add.block_duration().seconds(), 7200);
  EXPECT_EQ(add.reason(), "scan");
  EXPECT_EQ(program.Run({"screen", "add", "192.0.2.0/24"}).code, 0);
  EXPECT_FALSE(add.has_block_duration());
  EXPECT_EQ(program.Run({"screen", "add", "192.0.2.0/24", "--for", "soon"}).code, 2);
  const auto absent = program.Run({"screen", "remove", "192.0.2.9"});
  EXPECT_EQ(absent.code, 3);
  EXPECT_EQ(absent.err, "turnpikectl: 192.0.2.9 is not blocked\n");
}

TEST(ScreenTest, NetworkWithinAnotherThatIsBlockedIsSaidToBe) {
  Program program;
  FakeServices& services = program.services();
  services.On<auth::v1::RemoveScreenEntryRequest, auth::v1::RemoveScreenEntryResponse>(
      std::string(kAdmin) + "RemoveScreenEntry",
      [](const auto&, auto&) { return absl::NotFoundError("not blocked"); });
  services.On<auth::v1::ListScreenEntriesRequest, auth::v1::ListScreenEntriesResponse>(
      std::string(kAdmin) + "ListScreenEntries", [](const auto&, auto& response) {
        for (const char* network : {"192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"}) {
          response.add_entries()->set_network(network);
        }
        return absl::OkStatus();
      });
  const auto within = program.Run({"screen", "remove", "198.51.100.7"});
  EXPECT_EQ(within.code, 3);
  EXPECT_EQ(within.err,
            "turnpikectl: 198.51.100.7/32 is not on the screen, but 198.51.100.0/24 is and covers "
            "it\n");
  EXPECT_EQ(program.Run({"screen", "remove", "198.51.0.0/16"}).err,
            "turnpikectl: 198.51.0.0/16 is not blocked\n");
  EXPECT_EQ(program.Run({"screen", "remove", "203.0.113.1"}).err,
            "turnpikectl: 203.0.113.1 is not blocked\n");
}

TEST(ExplainTest, VerdictIsShownWithItsRule) {
  Program program;
  auth::v1::ExplainVerdictRequest asked;
  program.services().On<auth::v1::ExplainVerdictRequest, auth::v1::ExplainVerdictResponse>(
      std::string(kAdmin) + "ExplainVerdict", [&asked](const auto& request, auto& response) {
        asked = request;
        response.set_code(550);
        response.set_enhanced_code("5.7.1");
        response.set_text("relaying denied");
        response.set_rule("AU-24");
        return absl::OkStatus();
      });
  const auto result =
      program.Run({"explain", "rcpt", "bob@example.org", "--from", "ann@example.net", "--client",
                   "198.51.100.7", "--listener", "mx", "--login", "ann", "--tls"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(
      result.out,
      "Accepted:  no\nReply:     550 5.7.1 relaying denied\nRule:      AU-24\nQueue:     -\n");
  EXPECT_EQ(asked.recipient(), "bob@example.org");
  EXPECT_EQ(asked.return_path(), "ann@example.net");
  EXPECT_EQ(asked.client_address(), "198.51.100.7");
  EXPECT_EQ(asked.listener(), "mx");
  EXPECT_EQ(asked.login(), "ann");
  EXPECT_TRUE(asked.tls());

  const auto unnamed = program.Run({"explain", "rcpt", "bob@example.org"});
  EXPECT_EQ(unnamed.code, 2);
  EXPECT_THAT(unnamed.err, HasSubstr("--listener"));
  const std::string config =
      WriteFile("listeners.yaml",
                "smtp: {listeners: [{name: out, role: submission, listen: \"127.0.0.1:587\"},\n"
                "  {name: in, role: smtp, listen: \"127.0.0.1:25\"}]}\n");
  const auto usual = program.Run({"explain", "rcpt", "bob@example.org", "--config", config});
  EXPECT_EQ(usual.code, 0) << usual.err;
  EXPECT_EQ(asked.listener(), "in");
}

TEST(AccountTest, LinesAreThoseThatTheServicesRead) {
  const Program program;
  const auto result = program.Run(
      {"account", "hash", "--argon2id", "--scram-sha-256", "--scram-sha-1", "--cram-md5"},
      {.in = "secret word\nsecond line\n"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto verifiers = auth::ParseVerifiers(result.out);
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_TRUE(verifiers->argon2 && verifiers->scram_sha256 && verifiers->scram_sha1 &&
              verifiers->cram_md5);
  EXPECT_EQ(verifiers->scram_sha256->iterations, 10'000);
  EXPECT_EQ(auth::MakeScramVerifier(auth::HashKind::kSha256, "secret word",
                                    verifiers->scram_sha256->salt, 10'000)
                .stored_key,
            verifiers->scram_sha256->stored_key);
  EXPECT_EQ(result.out.find("secret"), std::string::npos);
}

TEST(AccountTest, WithoutFlagsThereAreArgon2AndScram) {
  const Program program;
  const auto result = program.Run({"account", "hash", "-o", "jsonl"}, {.in = "secret word\r\n"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("{\"verifiers\":[\"$argon2id$"));
  EXPECT_THAT(result.out, HasSubstr("\"SCRAM-SHA-256$10000:"));
}

TEST(AccountTest, PasswordsThatDifferOrAreMissingMakeNothing) {
  const Program program;
  auto result = program.Run({"account", "hash"}, {.in = "one\ntwo\n", .in_is_terminal = true});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("two different passwords"));
  EXPECT_EQ(program.Run({"account", "hash"}, {.in = ""}).code, 2);
  EXPECT_EQ(program.Run({"account", "hash"}, {.in = "\n"}).code, 2);
  result = program.Run({"account", "hash", "hunter2"}, {.in = "x\n"});
  EXPECT_EQ(result.code, 2);
  result = program.Run({"account", "hash", "--scram-sha-1"},
                       {.in = "one\none\n", .in_is_terminal = true});
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST(ConfigTest, CheckSaysWhatIsWrongAndWhere) {
  const Program program;
  const std::string good = WriteFile(
      "good.yaml", "smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:25\"}]}\n");
  EXPECT_EQ(program.Run({"config", "check", good}).out, good + ": configuration is valid\n");
  const std::string bad = WriteFile("bad.yaml", "smtp: {listners: []}\n");
  const auto result = program.Run({"config", "check", bad});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr(bad + ":1:"));
  EXPECT_THAT(result.err, HasSubstr("did you mean `listeners`?"));
  EXPECT_EQ(program.Run({"config", "check", "/nonexistent.yaml"}).code, 3);
}

TEST(CompletionTest, NamesAreAskedOfTheServices) {
  Program program;
  EXPECT_EQ(program.Run({"__complete", "gateway", "release", ""}).out, "");
  program.services().On<dequeue::v1::ListGatewaysRequest, dequeue::v1::ListGatewaysResponse>(
      "turnpike.dequeue.v1.DequeueService.ListGateways", [](const auto&, auto& response) {
        response.add_gateways()->set_domain("customer.example");
        return absl::OkStatus();
      });
  EXPECT_EQ(program.Run({"__complete", "gateway", "release", "cus"}).out, "customer.example\n");
  EXPECT_THAT(program.Run({"__complete", "gateway", "rel"}).out, HasSubstr("release\tsend what"));
  EXPECT_THAT(program.Run({"completion", "bash"}).out, HasSubstr("complete -o default"));
  EXPECT_EQ(program.Run({"completion", "csh"}).code, 2);
}

// Also of whoever names a folder without them.
TEST(AppTest, CertificatesThatAreNotThereAreAMistakeOfTheCommandLine) {
  const Program program;
  const auto called = program.Run({"gateways", "--tls-directory", "/nonexistent"});
  EXPECT_EQ(called.code, 2);
  EXPECT_THAT(called.err, HasSubstr("/nonexistent/turnpikectl/"));
  const auto issued = program.Run({"certificate", "issue", "keda", "--authority", "/nonexistent",
                                   "--directory", testing::TempDir() + "/unissued"});
  EXPECT_EQ(issued.code, 2);
  EXPECT_THAT(issued.err, HasSubstr("/nonexistent/tls.crt"));
}

TEST(AppTest, VersionAndHelpNeedNoService) {
  const Program program;
  EXPECT_THAT(program.Run({"version"}).out, HasSubstr("turnpikectl 0."));
  EXPECT_EQ(program.Run({"--help"}).code, 0);
  EXPECT_THAT(program.Run({"gateway", "--help"}).out, HasSubstr("gateway access add"));
}

TEST(AppTest, MistakesEndWith2AndSayWhatToDo) {
  const Program program;
  const auto result = program.Run({"gatways"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("did you mean `gateways`?"));
  EXPECT_EQ(program.Run({"gateways", "-o", "xml"}).code, 2);
  EXPECT_EQ(program.Run({"gateways", "--timeout", "x"}).code, 2);
  EXPECT_EQ(program.Run({"gateways", "--limit", "-1"}).code, 2);
}

TEST(AppTest, ServiceThatNobodyNamesIsAMistakeAndOneThatIsAwayIsNot) {
  Program program;
  std::string gone;
  { gone = FakeServices().address(); }
  EXPECT_EQ(program.Run({"gateways", "--gateway-dequeue", gone}).code, 5);
  program.environment().erase("TURNPIKE_GATEWAY_DEQUEUE");
  const auto result = program.Run({"gateways"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("nobody says where gateway-dequeue is"));
}

// Keys are for their owner alone, also where a file was there that all could read.
TEST(CertificatesTest, IssuedFilesAreTheUsersAlone) {
  namespace fs = std::filesystem;
  const std::string folder = testing::TempDir() + "/issued";
  fs::create_directories(folder + "/keda");
  const net::testing::TestCertificate authority =
      net::testing::MakeCertificate("authority", "authority.example");
  fs::create_directories(folder + "/authority");
  fs::copy_file(authority.certificate_file, folder + "/authority/tls.crt");
  fs::copy_file(authority.key_file, folder + "/authority/tls.key");
  std::ofstream(folder + "/keda/tls.key") << "readable";
  fs::permissions(folder + "/keda/tls.key", fs::perms(0644));
  Program program;
  const auto result = program.Run({"certificate", "issue", "keda", "--authority",
                                   folder + "/authority", "--directory", folder});
  ASSERT_EQ(result.code, 0) << result.err;
  size_t files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder + "/keda")) {
    EXPECT_EQ(entry.status().permissions(), fs::perms(0600)) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3u);
}

}  // namespace
}  // namespace turnpike::ctl
