// An engine over a spool in memory, with DNS and peers on loopback: what the engine's tests share.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TESTING_DELIVERY_FIXTURE_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TESTING_DELIVERY_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/outbound-delivery/engine.h"
#include "services/outbound-delivery/resolve/testing/scripted_server.h"
#include "services/outbound-delivery/transport/testing/smtp_peer.h"
#include "services/spool-store/client/fake_shared_state.h"
#include "services/spool-store/client/fake_spool.h"

namespace prometheus {
class Registry;
}

namespace turnpike::delivery {

// The domains: `local.example` goes by SMTP and `lmtp.example` by LMTP to a peer; `home.example` is
// a gateway, where senders find their notifications held; all else by DNS.
class DeliveryFixture : public ::testing::Test {
 protected:
  DeliveryFixture();
  ~DeliveryFixture() override;

  // Before Start: where local mail goes.
  void SetLocalPeer(const SmtpPeer& peer);
  void SetLmtpPeer(const SmtpPeer& peer);
  void SetMx(const std::string& domain, const std::vector<std::pair<uint16_t, std::string>>& hosts);
  void SetAddress(const std::string& host, const std::string& address);

  void Start();
  void Stop();  // as after SIGTERM, at once

  // A message to these, all of one domain.
  static spool::v1::NewMessage MakeMessage(
      const std::vector<std::string>& recipients,
      const std::string& content = "Subject: x\r\n\r\nHi.\r\n");
  // Stores it; content that is too large goes in pieces.
  void Enqueue(spool::v1::NewMessage message);
  void Send(const std::string& recipient) { Enqueue(MakeMessage({recipient})); }

  // Waits until the condition holds; false if it does not within 20 s.
  bool WaitFor(const std::function<bool()>& condition);
  // Waits for so many settlements, and returns them all.
  std::vector<spool::v1::Settlement> WaitForSettlements(size_t count);

  config::v1::Config config_;
  spool::FakeSpool* spool_ = nullptr;               // owned by the engine, as the next
  spool::FakeSharedState* shared_state_ = nullptr;  // made by Start
  std::unique_ptr<Engine> engine_;

 private:
  std::string AnswerDns(const DnsQuestion& question, uint16_t id);

  std::unique_ptr<spool::FakeSpool> owned_spool_;
  std::shared_ptr<prometheus::Registry> registry_;
  absl::Mutex mu_;
  std::vector<std::pair<std::string, MxRecord>> mx_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<std::string, std::string>> addresses_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<testing_dns::ScriptedServer> dns_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TESTING_DELIVERY_FIXTURE_H_
