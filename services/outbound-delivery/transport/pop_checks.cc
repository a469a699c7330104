#include "services/outbound-delivery/transport/pop_checks.h"

#include <curl/curl.h>

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::delivery {
namespace {

// Mechanisms that do not show the password. What libcurl does not have, it does not choose.
constexpr char kSaslWithoutCleartext[] = "AUTH=SCRAM-SHA-256;AUTH=SCRAM-SHA-1;AUTH=CRAM-MD5";
constexpr char kApop[] = "AUTH=+APOP";  // [RFC1939 7]

size_t Discard(char* /*bytes*/, size_t size, size_t count, void* /*data*/) { return size * count; }

int IsCancelled(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(cancelled)->load() ? 1 : 0;
}

struct Try {
  long use_ssl;               // NOLINT(runtime/int): CURLOPT_USE_SSL
  const char* login_options;  // null: whatever there is
};

// One connection: greeting, TLS, login, QUIT.
CURLcode LogIn(const PopChecks::Check& check, const Try& attempt, std::atomic<bool>* cancelled) {
  CURL* const curl = curl_easy_init();
  if (curl == nullptr) return CURLE_FAILED_INIT;
  const bool is_implicit = check.tls == RoutePlan::Tls::kImplicit;
  const bool verifies = is_implicit || check.tls == RoutePlan::Tls::kVerified;
  const bool is_v6 = absl::StrContains(check.host, ':');
  const std::string url = absl::StrCat(is_implicit ? "pop3s://" : "pop3://", is_v6 ? "[" : "",
                                       check.host, is_v6 ? "]" : "", ":", check.port, "/");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, is_implicit ? "pop3s" : "pop3");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERNAME, check.login.username.c_str());
  curl_easy_setopt(curl, CURLOPT_PASSWORD, check.login.password.c_str());
  if (attempt.login_options != nullptr) {
    curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, attempt.login_options);
  }
  curl_easy_setopt(curl, CURLOPT_USE_SSL, attempt.use_ssl);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, verifies ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verifies ? 2L : 0L);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (!check.authorities_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, check.authorities_file.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(check.timeout)));  // NOLINT
  // The login is all that is wanted.
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "NOOP");
  curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Discard);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &IsCancelled);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, cancelled);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_cleanup(curl);
  return code;
}

absl::Status StatusOf(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return absl::OkStatus();
    case CURLE_LOGIN_DENIED:
      return absl::UnauthenticatedError("the POP3 server refused the login");
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("ending");
    default:
      return absl::UnavailableError(curl_easy_strerror(code));
  }
}

absl::Status LogInSafely(const PopChecks::Check& check, std::atomic<bool>* cancelled) {
  const bool is_encrypted =
      check.tls == RoutePlan::Tls::kImplicit || check.tls == RoutePlan::Tls::kVerified;
  if (is_encrypted) return StatusOf(LogIn(check, {CURLUSESSL_ALL, nullptr}, cancelled));
  if (check.login.allow_cleartext) {
    const bool tries_tls = check.tls != RoutePlan::Tls::kNone;
    return StatusOf(
        LogIn(check, {tries_tls ? CURLUSESSL_TRY : CURLUSESSL_NONE, nullptr}, cancelled));
  }
  if (check.tls != RoutePlan::Tls::kNone) {
    const CURLcode code = LogIn(check, {CURLUSESSL_ALL, nullptr}, cancelled);
    if (code != CURLE_USE_SSL_FAILED) return StatusOf(code);
  }
  const CURLcode code = LogIn(check, {CURLUSESSL_NONE, kSaslWithoutCleartext}, cancelled);
  if (code != CURLE_LOGIN_DENIED) return StatusOf(code);
  return StatusOf(LogIn(check, {CURLUSESSL_NONE, kApop}, cancelled));
}

}  // namespace

class PopChecks::State {
 public:
  State(std::vector<Check> checks, Report report, const base::Clock& clock)
      : clock_(clock), report_(std::move(report)) {
    static const CURLcode library = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)library;  // a failure shows at the first use
    for (Check& check : checks) {
      const std::string name = check.name;
      entries_[name].check = std::move(check);
    }
    if (!entries_.empty()) thread_ = std::thread([this] { Run(); });
  }

  ~State() {
    is_cancelled_ = true;
    {
      absl::MutexLock lock(&mu_);
      is_ending_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }

  void Ensure(const std::string& name, Callback done) {
    absl::Status known = absl::OkStatus();
    {
      absl::MutexLock lock(&mu_);
      const auto it = entries_.find(name);
      if (it == entries_.end()) {
        known = absl::NotFoundError("no POP3 check of this name");
      } else if (clock_.Now() >= it->second.counts_until) {
        it->second.callbacks.push_back(std::move(done));
        if (it->second.callbacks.size() == 1) due_.push_back(&it->second);
        return;
      }
    }
    done(known);
  }

 private:
  struct Entry {
    Check check;
    absl::Time counts_until = absl::InfinitePast();
    std::vector<Callback> callbacks;
  };

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return is_ending_ || !due_.empty(); }

  void Run() {
    while (true) {
      Entry* entry = nullptr;
      {
        absl::MutexLock lock(&mu_);
        mu_.Await(absl::Condition(this, &State::HasWork));
        if (due_.empty()) return;
        entry = due_.front();
        due_.pop_front();
      }
      const absl::Status status = is_cancelled_ ? absl::CancelledError("ending")
                                                : LogInSafely(entry->check, &is_cancelled_);
      if (!is_cancelled_ && report_) report_(status);
      std::vector<Callback> callbacks;
      {
        absl::MutexLock lock(&mu_);
        if (status.ok()) entry->counts_until = clock_.Now() + entry->check.every;
        callbacks = std::exchange(entry->callbacks, {});
      }
      for (Callback& done : callbacks) done(status);
    }
  }

  const base::Clock& clock_;
  Report report_;
  std::atomic<bool> is_cancelled_{false};
  absl::Mutex mu_;
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Entry*> due_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Entry> entries_;  // not changed after construction
  std::thread thread_;
};

PopChecks::PopChecks(std::vector<Check> checks, Report report, const base::Clock& clock)
    : state_(std::make_unique<State>(std::move(checks), std::move(report), clock)) {}

PopChecks::~PopChecks() = default;

void PopChecks::Ensure(const std::string& name, Callback done) {
  state_->Ensure(name, std::move(done));
}

}  // namespace turnpike::delivery
