#include "services/auth-service/neighbours.h"

#include <curl/curl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "prometheus/registry.h"
#include "services/common/config/loader.h"
#include "services/common/net/listening_socket.h"

namespace turnpike::auth {
namespace {

config::v1::Config ConfigWith(const std::string& policy_listen, const std::string& key) {
  const auto loaded = config::ParseConfig(
      absl::StrCat("smtp: {listeners: [{name: mx, role: smtp, listen: \"127.0.0.1:0\"}]}\n"
                   "auth: {pop_before_smtp: {enabled: true, policy_listen: \"",
                   policy_listen, "\"", key.empty() ? "" : ", policy_key: " + key, "}}\n"),
      "t.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded->config;
}

std::string FreeAddress() {
  const auto socket = net::ListenTcp("127.0.0.1:0");
  EXPECT_TRUE(socket.ok()) << socket.status();
  close(socket->descriptor);
  return socket->address;
}

// The status of a report without a key.
int64_t Report(const std::string& address) {
  const std::string url = absl::StrCat("http://", address, "/?command=allow");
  CURL* const curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{}");
  std::string answer;
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(
      curl, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* to) {
        static_cast<std::string*>(to)->append(data, size * count);
        return size * count;
      });
  curl_easy_perform(curl);
  long status = 0;  // NOLINT(runtime/int): what curl wants
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_cleanup(curl);
  return status;
}

// It listens as soon as it is prepared, when the configuration before it, which may ask for no key,
// still holds.
TEST(NeighboursTest, NewAddressForReportsAsksForItsOwnKeyFromTheFirstMoment) {
  prometheus::Registry registry;
  base::Disposer disposer;
  const std::string first = FreeAddress();
  const config::v1::Config open = ConfigWith(first, "");
  Neighbours neighbours(open, registry, nullptr, disposer);
  ASSERT_TRUE(neighbours.Prepare(open, std::make_shared<const Site>(open)).ok());
  neighbours.Take(open);
  EXPECT_EQ(Report(first), 200);

  const std::string second = FreeAddress();
  const config::v1::Config closed = ConfigWith(second, "oyster");
  ASSERT_TRUE(neighbours.Prepare(closed, std::make_shared<const Site>(closed)).ok());
  EXPECT_EQ(Report(second), 401);
  EXPECT_EQ(Report(first), 200);
  neighbours.Take(closed);
  EXPECT_EQ(Report(second), 401);
  EXPECT_EQ(Report(first), 0);
  neighbours.Forget();
}

}  // namespace
}  // namespace turnpike::auth
