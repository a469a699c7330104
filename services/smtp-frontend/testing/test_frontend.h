// A whole frontend on loopback, with the other services faked.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_FRONTEND_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_FRONTEND_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/client/fake_policy.h"
#include "services/gateway-dequeue/client/fake_dequeue.h"
#include "services/smtp-frontend/listener/server.h"
#include "services/spool-store/client/fake_spool.h"

namespace prometheus {
class Registry;
}

namespace turnpike::frontend::testing {

// Its configuration until a test changes it: host name `mx.example.com`; listeners `mx` (smtp),
// `submission` and `odmr`; the gateway `gw.example`, whose login has the password `secret`; the
// local domain `local.example`; waits of at most ten seconds.
config::v1::Config DefaultConfig();
// Gives every listener a certificate, made on the spot.
void AddTls(config::v1::Config* config);

class TestFrontend {
 public:
  explicit TestFrontend(const config::v1::Config& config = DefaultConfig());
  TestFrontend(const TestFrontend&) = delete;
  TestFrontend& operator=(const TestFrontend&) = delete;
  ~TestFrontend();

  auth::FakePolicy& policy() { return policy_; }
  dequeue::FakeDequeue& dequeue() { return *dequeue_; }
  spool::FakeSpool& spool() { return *spool_; }
  Server& server() { return *server_; }
  absl::Status Reconfigure(const config::v1::Config& config);

  // `127.0.0.1:40123` of the listener with this name.
  std::string AddressOf(absl::string_view listener) const;
  // The value of a counter or gauge; 0 if there is none. `labels` as `listener="mx"`, in the order
  // of their names.
  double Metric(absl::string_view name, absl::string_view labels) const;

 private:
  config::v1::Config config_;
  const std::shared_ptr<prometheus::Registry> registry_;
  auth::FakePolicy policy_;
  dequeue::FakeDequeue* dequeue_;  // the server's, like the next
  spool::FakeSpool* spool_;
  std::unique_ptr<Server> server_;
};

// Waits until `condition` is true; false after ten seconds.
bool Eventually(const std::function<bool()>& condition);

// A message for `user@gw.example` in the fake spool, held for the gateway.
void Hold(spool::FakeSpool& spool, const std::string& user, const std::string& content);

}  // namespace turnpike::frontend::testing

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_FRONTEND_H_
