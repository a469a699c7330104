#include "services/auth-service/mailbox/policy_server.h"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::auth {
namespace {

constexpr char kReport[] =
    R"({"login":"ann@b.example","protocol":"imap","remote":"192.0.2.1","success":true})";

size_t Append(char* data, size_t size, size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

class PolicyServerTest : public testing::Test {
 protected:
  PolicyServerTest()
      : server_(*PolicyServer::Start({.listen = "127.0.0.1:0",
                                      .key = [] { return std::string("Bearer oyster"); },
                                      .on_login =
                                          [this](const PolicyReport& report) {
                                            absl::MutexLock lock(&mu_);
                                            logins_.push_back(report.login + " " + report.remote);
                                            return status_;
                                          },
                                      .on_result = [](PolicyServer::Result) {}})) {}

  // The status of a request.
  int Ask(const std::string& path, const std::string& body, const char* method = "POST",
          const char* header = "Authorization: Bearer oyster") {
    const std::string url = absl::StrCat("http://", server_->address(), path);
    CURL* const curl = curl_easy_init();
    curl_slist* const headers = curl_slist_append(nullptr, header);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));  // NOLINT
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    answer_.clear();
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer_);
    curl_easy_perform(curl);
    long status = 0;  // NOLINT(runtime/int): what curl wants
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return static_cast<int>(status);
  }

  absl::Mutex mu_;
  std::vector<std::string> logins_;
  absl::Status status_;
  std::string answer_;
  std::unique_ptr<PolicyServer> server_;
};

TEST_F(PolicyServerTest, ReportsArePassedOnAndAllowIsAlwaysYes) {
  EXPECT_EQ(Ask("/?command=allow", kReport), 200);
  EXPECT_EQ(answer_, R"({"status":0,"msg":"go on"})");
  EXPECT_TRUE(logins_.empty());
  EXPECT_EQ(Ask("/?command=report", kReport), 200);
  EXPECT_EQ(Ask("/some/where?a=b&command=report", kReport), 200);
  EXPECT_EQ(logins_,
            (std::vector<std::string>{"ann@b.example 192.0.2.1", "ann@b.example 192.0.2.1"}));
}

TEST_F(PolicyServerTest, WithoutTheKeyNothingIsDone) {
  for (const char* header : {"X-Other: Bearer oyster", "Authorization: Bearer oyste",
                             "Authorization: Bearer oyster2", "Authorization: bearer oyster"}) {
    EXPECT_EQ(Ask("/?command=report", kReport, "POST", header), 401) << header;
    EXPECT_EQ(Ask("/?command=allow", kReport, "POST", header), 401) << header;
  }
  EXPECT_TRUE(logins_.empty());
}

TEST_F(PolicyServerTest, WhatIsNoReportIsRefused) {
  EXPECT_EQ(Ask("/?command=report", kReport, "GET"), 405);
  EXPECT_EQ(Ask("/?command=report", kReport, "PUT"), 405);
  EXPECT_EQ(Ask("/?command=delete", kReport), 400);
  EXPECT_EQ(Ask("/", kReport), 400);
  EXPECT_EQ(Ask("/?command=report", "{}"), 400);
  EXPECT_EQ(Ask("/?command=report", ""), 400);
  EXPECT_EQ(Ask("/?command=report", std::string(16 * 1024 + 1, ' ')), 413);
  EXPECT_EQ(Ask("/?command=report", std::string(1 << 20, ' ')), 413);
  EXPECT_TRUE(logins_.empty());
}

TEST_F(PolicyServerTest, LoginThatCannotBeNotedIsReportedBack) {
  status_ = absl::UnavailableError("away");
  EXPECT_EQ(Ask("/?command=report", kReport), 503);
  status_ = absl::InvalidArgumentError("what?");
  EXPECT_EQ(Ask("/?command=report", kReport), 400);
}

TEST_F(PolicyServerTest, AddressInUseIsAnErrorThatSaysWhere) {
  const auto second = PolicyServer::Start({.listen = server_->address()});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(server_->address()), absl::string_view::npos);
}

}  // namespace
}  // namespace turnpike::auth
