#include "services/common/observe/http_server.h"

#include <curl/curl.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "services/common/observe/metrics.h"

namespace turnpike::observe {
namespace {

struct HttpReply {
  long status = 0;  // NOLINT(runtime/int): what curl wants
  std::string type;
  std::string body;
};

size_t AppendBody(char* data, size_t size, size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

HttpReply Fetch(const std::string& url, const char* method = "GET") {
  HttpReply reply;
  CURL* const curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &AppendBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr) reply.type = type;
  curl_easy_cleanup(curl);
  return reply;
}

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest()
      : server_(*HttpServer::Start(
            {.listen = "127.0.0.1:0",
             .is_ready = [this] { return ready_.load(); },
             .collectables = {CreateRegistry(), std::make_shared<ProcessCollector>()}})) {}

  std::string Url(const std::string& path) const {
    return absl::StrCat("http://", server_->address(), path);
  }

  std::atomic<bool> ready_{false};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, MetricsAreServedInTheTextFormat) {
  const HttpReply reply = Fetch(Url("/metrics"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_TRUE(absl::StrContains(reply.body, "# TYPE process_open_fds gauge\n"));
  EXPECT_TRUE(absl::StrContains(reply.body, "turnpike_build_info{version=\""));
}

TEST_F(HttpServerTest, ReadinessFollowsTheService) {
  EXPECT_EQ(Fetch(Url("/readyz")).status, 503);
  ready_ = true;
  EXPECT_EQ(Fetch(Url("/readyz")).status, 200);
}

TEST_F(HttpServerTest, ProcessThatAnswersIsAlive) { EXPECT_EQ(Fetch(Url("/livez")).status, 200); }

TEST_F(HttpServerTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(Fetch(Url("/")).status, 404);
  EXPECT_EQ(Fetch(Url("/metrics/x")).status, 404);
  EXPECT_EQ(Fetch(Url("/metrics"), "POST").status, 405);
  EXPECT_EQ(Fetch(Url("/metrics"), "DELETE").status, 405);
}

TEST_F(HttpServerTest, AddressInUseIsAnErrorThatSaysWhere) {
  const auto second = HttpServer::Start({.listen = server_->address()});
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(absl::StrContains(second.status().message(), server_->address())) << second.status();
}

}  // namespace
}  // namespace turnpike::observe
