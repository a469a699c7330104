#include "services/outbound-delivery/security/curl_sts_fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/check.h"
#include "services/outbound-delivery/security/mta_sts.h"

namespace turnpike::delivery {
namespace {

constexpr int kPollMilliseconds = 1000;
constexpr long kHttpOk = 200;  // NOLINT(google-runtime-int): libcurl's type

CURLM* Multi(void* multi) { return static_cast<CURLM*>(multi); }

// libcurl's receiver: less than it was given ends the transfer.
size_t Receive(char* bytes, size_t /*one*/, size_t count, void* text) {
  auto* const body = static_cast<std::string*>(text);
  if (body->size() + count > kStsPolicyBytesMax) return 0;
  body->append(bytes, count);
  return count;
}

}  // namespace

struct CurlStsFetcher::Transfer {
  Transfer() : easy(curl_easy_init()) { TURNPIKE_CHECK(easy != nullptr); }
  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(resolve);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void Fail(absl::string_view why) {
    done(absl::UnavailableError(absl::StrCat("https://", host, ": ", why)));
  }

  // What the server's answer is worth.
  void Finish(CURLcode code) {
    if (code != CURLE_OK) return Fail(curl_easy_strerror(code));
    long status = 0;  // NOLINT(google-runtime-int): libcurl's type
    const char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    if (status != kHttpOk) return Fail(absl::StrCat("HTTP status ", status));
    if (type == nullptr || !absl::StartsWithIgnoreCase(type, "text/plain")) {
      return Fail("the answer is not text/plain");
    }
    done(std::move(body));
  }

  CURL* const easy;
  curl_slist* resolve = nullptr;
  std::string host;
  std::vector<net::IpAddress> addresses;
  std::string body;
  Callback done;
};

CurlStsFetcher::CurlStsFetcher(Options options)
    : options_(std::move(options)), multi_([] {
        static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
        TURNPIKE_CHECK(global == CURLE_OK);
        return curl_multi_init();
      }()) {
  TURNPIKE_CHECK(multi_ != nullptr);
  thread_ = std::thread([this] { Run(); });
}

CurlStsFetcher::~CurlStsFetcher() {
  {
    absl::MutexLock lock(&mu_);
    is_ending_ = true;
  }
  curl_multi_wakeup(Multi(multi_));
  thread_.join();
  curl_multi_cleanup(Multi(multi_));
}

void CurlStsFetcher::Fetch(const std::string& host, const std::vector<net::IpAddress>& addresses,
                           Callback done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->host = host;
  transfer->addresses = addresses;
  transfer->done = std::move(done);
  bool is_full;
  {
    absl::MutexLock lock(&mu_);
    is_full = waiting_.size() >= options_.waiting_max;
    if (!is_full) waiting_.push_back(std::move(transfer));
  }
  if (is_full) return transfer->Fail("too many fetches are waiting");
  curl_multi_wakeup(Multi(multi_));
}

void CurlStsFetcher::Run() {
  std::deque<std::unique_ptr<Transfer>> left;
  while (true) {
    std::vector<std::unique_ptr<Transfer>> next;
    {
      absl::MutexLock lock(&mu_);
      if (is_ending_) {
        left.swap(waiting_);
        break;
      }
      while (!waiting_.empty() && running_.size() + next.size() < options_.transfers_max) {
        next.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    for (std::unique_ptr<Transfer>& transfer : next) Start(std::move(transfer));
    int running = 0;
    curl_multi_perform(Multi(multi_), &running);
    FinishEnded();
    curl_multi_poll(Multi(multi_), nullptr, 0, kPollMilliseconds, nullptr);
  }
  for (const std::unique_ptr<Transfer>& transfer : running_) {
    curl_multi_remove_handle(Multi(multi_), transfer->easy);
    transfer->Fail("shutting down");
  }
  running_.clear();
  for (const std::unique_ptr<Transfer>& transfer : left) transfer->Fail("shutting down");
}

void CurlStsFetcher::Start(std::unique_ptr<Transfer> transfer) {
  CURL* const easy = transfer->easy;
  const std::string origin = absl::StrCat(transfer->host, ":", options_.port);
  // The addresses are those that our own DNS servers gave, and that mail may go to.
  const auto bracketed = [](std::string* out, const net::IpAddress& address) {
    address.is_v4() ? absl::StrAppend(out, address.ToString())
                    : absl::StrAppend(out, "[", address.ToString(), "]");
  };
  transfer->resolve = curl_slist_append(
      nullptr,
      absl::StrCat(origin, ":", absl::StrJoin(transfer->addresses, ",", bracketed)).c_str());
  curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->resolve);
  curl_easy_setopt(easy, CURLOPT_URL,
                   absl::StrCat("https://", origin, "/.well-known/mta-sts.txt").c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "turnpike");
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options_.timeout)));  // NOLINT
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer->body);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer.get());
  if (!options_.authorities_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.authorities_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  if (curl_multi_add_handle(Multi(multi_), easy) != CURLM_OK) {
    return transfer->Fail("libcurl does not take it");
  }
  running_.push_back(std::move(transfer));
}

void CurlStsFetcher::FinishEnded() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(Multi(multi_), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    curl_multi_remove_handle(Multi(multi_), easy);
    const auto it = std::find_if(running_.begin(), running_.end(),
                                 [&](const auto& transfer) { return transfer->easy == easy; });
    const std::unique_ptr<Transfer> transfer = std::move(*it);
    running_.erase(it);
    transfer->Finish(code);
  }
}

}  // namespace turnpike::delivery
