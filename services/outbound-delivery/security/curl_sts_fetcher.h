// StsFetcher by libcurl.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_CURL_STS_FETCHER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_CURL_STS_FETCHER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/outbound-delivery/security/sts_fetcher.h"

namespace turnpike::delivery {

// One thread for all transfers. HTTPS with a certificate for the host's name only; redirects,
// proxies and answers other than 200 with text/plain are refused. [RFC8461 3.3]
class CurlStsFetcher : public StsFetcher {
 public:
  struct Options {
    std::string authorities_file;  // PEM; empty: the system's
    uint16_t port = 443;
    absl::Duration timeout = absl::Minutes(1);  // [RFC8461 3.3]
    size_t transfers_max = 20;                  // at one time; more wait
    size_t waiting_max = 1000;                  // beyond these a fetch fails at once
  };

  explicit CurlStsFetcher(Options options);
  ~CurlStsFetcher() override;

  void Fetch(const std::string& host, const std::vector<net::IpAddress>& addresses,
             Callback done) override;

 private:
  struct Transfer;

  void Run();
  void Start(std::unique_ptr<Transfer> transfer);
  void FinishEnded();

  const Options options_;
  void* const multi_;  // CURLM
  absl::Mutex mu_;
  std::deque<std::unique_ptr<Transfer>> waiting_ ABSL_GUARDED_BY(mu_);
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::unique_ptr<Transfer>> running_;  // the thread's own
  std::thread thread_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_CURL_STS_FETCHER_H_
