#include "services/smtp-frontend/collect/collector.h"

#include <gtest/gtest.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/streambuf.hpp>
#include <asio/write.hpp>
#include <istream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/smtp-frontend/testing/test_frontend.h"

namespace turnpike::frontend {
namespace {

using asio::ip::tcp;

smtp::Reply ReplyOf(uint16_t code) { return smtp::Reply(code, {}, "text"); }

TEST(EndingOfAtrnTest, TellsTheRefusalsOfRfc2645Apart) {
  EXPECT_EQ(EndingOfAtrn(ReplyOf(450)), dequeue::v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingOfAtrn(ReplyOf(451)), dequeue::v1::RUN_ENDING_NOT_NOW);
  EXPECT_EQ(EndingOfAtrn(ReplyOf(453)), dequeue::v1::RUN_ENDING_NO_MAIL);
  EXPECT_EQ(EndingOfAtrn(ReplyOf(530)), dequeue::v1::RUN_ENDING_AUTH_FAILED);
  EXPECT_EQ(EndingOfAtrn(ReplyOf(502)), dequeue::v1::RUN_ENDING_REFUSED);
  EXPECT_EQ(EndingOfAtrn(ReplyOf(354)), dequeue::v1::RUN_ENDING_LOST);
}

// A provider on a thread of its own: says a line, or waits for one that begins so.
class Provider {
 public:
  // Of each line of the script, `S: text` is said and `C: text` is awaited.
  explicit Provider(std::vector<std::string> script)
      : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        thread_([this, script = std::move(script)] { Play(script); }) {}
  ~Provider() { thread_.join(); }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void Play(const std::vector<std::string>& script) {
    tcp::socket socket = acceptor_.accept();
    asio::streambuf buffer;
    for (const std::string& step : script) {
      asio::error_code error;
      if (absl::StartsWith(step, "S: ")) {
        asio::write(socket, asio::buffer(absl::StrCat(step.substr(3), "\r\n")), error);
        continue;
      }
      std::string line;
      do {  // the last line of a reply of several
        asio::read_until(socket, buffer, "\r\n", error);
        std::istream stream(&buffer);
        std::getline(stream, line);
      } while (!error && line.size() > 3 && line[3] == '-');
      EXPECT_TRUE(absl::StartsWith(line, step.substr(3))) << line << " for " << step;
      if (error) return;
    }
  }

  asio::io_context context_;
  tcp::acceptor acceptor_;
  std::thread thread_;
};

class CollectorTest : public ::testing::Test {
 protected:
  static const std::vector<std::string>& Login() {
    static const auto& script = *new std::vector<std::string>{"S: 220 odmr.example ESMTP",
                                                              "C: EHLO mx.example.com",
                                                              "S: 250-odmr.example",
                                                              "S: 250 AUTH CRAM-MD5",
                                                              "C: AUTH CRAM-MD5",
                                                              "S: 334 PDEyMz4=",
                                                              "C: ",
                                                              "S: 235 2.7.0 in"};
    return script;
  }

  static std::vector<std::string> After(std::vector<std::string> script,
                                        const std::vector<std::string>& more) {
    script.insert(script.end(), more.begin(), more.end());
    return script;
  }

  dequeue::v1::Run Collect(const std::vector<std::string>& script) {
    Provider provider(script);
    config::v1::Config config = testing::DefaultConfig();
    config::v1::Collection* collection = config.add_collections();
    collection->set_name("isp");
    collection->set_host("127.0.0.1");
    collection->set_port(provider.port());
    collection->set_tls(config::v1::CONNECTION_TLS_NONE);
    collection->mutable_auth()->set_username("customer.example");
    collection->mutable_auth()->set_password("secret");
    collection->add_domains("local.example");
    frontend_ = std::make_unique<testing::TestFrontend>(config);
    dequeue::v1::Run run;
    absl::Notification is_done;
    frontend_->server().Collect("isp", "run1", [&](absl::StatusOr<dequeue::v1::Run> result) {
      EXPECT_TRUE(result.ok()) << result.status();
      if (result.ok()) run = *std::move(result);
      is_done.Notify();
    });
    is_done.WaitForNotification();
    return run;
  }

  std::unique_ptr<testing::TestFrontend> frontend_;
};

TEST_F(CollectorTest, TakesMailWhenTheRolesHaveTurned) {
  const dequeue::v1::Run run = Collect(After(
      Login(),
      {"C: ATRN local.example", "S: 250 now reversing the connection", "C: 220 mx.example.com",
       "S: EHLO odmr.example", "C: 250 ", "S: MAIL FROM:<ann@local.example>", "C: 250 ",
       "S: RCPT TO:<bob@local.example>", "C: 250 ", "S: RCPT TO:<bob@elsewhere.example>", "C: 550 ",
       "S: DATA", "C: 354 ", "S: Subject: a", "S: ", "S: .", "C: 250 ", "S: QUIT", "C: 221 "}));
  EXPECT_EQ(run.ending(), dequeue::v1::RUN_ENDING_COMPLETED);
  EXPECT_EQ(run.messages(), 1);
  EXPECT_EQ(run.refused(), 1);
  EXPECT_EQ(run.reply().code(), 250);
  EXPECT_EQ(frontend_->policy().questions().at(0).facts().role(),
            auth::v1::LISTENER_ROLE_COLLECTION);
  EXPECT_EQ(frontend_->policy().questions().at(0).facts().listener(), "collection/isp");
  EXPECT_EQ(frontend_->policy().questions().at(0).session_id(), "run1");
}

TEST_F(CollectorTest, PeerHasNoRightsBesidesHandingOverMail) {
  const dequeue::v1::Run run = Collect(After(
      Login(), {"C: ATRN local.example", "S: 250 turn", "C: 220 ", "S: EHLO odmr.example",
                "C: 250 ", "S: ATRN local.example", "C: 502 ", "S: ETRN gw.example", "C: 502 ",
                "S: AUTH PLAIN", "C: 502 ", "S: STARTTLS", "C: 502 ", "S: QUIT", "C: 221 "}));
  EXPECT_EQ(run.ending(), dequeue::v1::RUN_ENDING_COMPLETED);
  EXPECT_EQ(run.messages(), 0);
}

TEST_F(CollectorTest, RefusalIsToldAndTheSessionEnded) {
  const dequeue::v1::Run run = Collect(After(
      Login(), {"C: ATRN local.example", "S: 453 you have no mail", "C: QUIT", "S: 221 bye"}));
  EXPECT_EQ(run.ending(), dequeue::v1::RUN_ENDING_NO_MAIL);
  EXPECT_EQ(run.reply().code(), 453);
}

TEST_F(CollectorTest, ProviderThatLeavesWithoutQuitIsLost) {
  const dequeue::v1::Run run = Collect(
      After(Login(), {"C: ATRN local.example", "S: 250 turn", "C: 220 ", "S: EHLO odmr.example"}));
  EXPECT_EQ(run.ending(), dequeue::v1::RUN_ENDING_LOST);
}

TEST_F(CollectorTest, WhatIsNotConfiguredIsNotFound) {
  frontend_ = std::make_unique<testing::TestFrontend>();
  absl::Status status;
  frontend_->server().Collect(
      "nobody", "run1",
      [&](const absl::StatusOr<dequeue::v1::Run>& result) { status = result.status(); });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

}  // namespace
}  // namespace turnpike::frontend
