#include "services/common/config/complete.h"

#include <vector>

#include "gtest/gtest.h"

namespace turnpike::config {
namespace {

TEST(CompleteConfigTest, ServicesListenAtLoopbackPortsOfTheirOwn) {
  v1::Config config;
  CompleteConfig({}, config);
  const v1::Services& services = config.services();
  EXPECT_EQ(services.spool_store().listen(), "127.0.0.1:7101");
  EXPECT_EQ(services.spool_store().target(), "127.0.0.1:7101");
  EXPECT_EQ(services.spool_store().metrics_listen(), "127.0.0.1:7201");
  EXPECT_EQ(services.auth_service().listen(), "127.0.0.1:7102");
  EXPECT_EQ(services.gateway_dequeue().listen(), "127.0.0.1:7103");
  EXPECT_EQ(services.smtp_frontend().listen(), "127.0.0.1:7104");
  EXPECT_EQ(services.outbound_delivery().listen(), "127.0.0.1:7105");
  EXPECT_EQ(services.outbound_delivery().metrics_listen(), "127.0.0.1:7205");
}

TEST(CompleteConfigTest, TargetOfAllAddressesIsLoopback) {
  v1::Config config;
  config.mutable_services()->mutable_spool_store()->set_listen("0.0.0.0:99");
  config.mutable_services()->mutable_auth_service()->set_listen("[::]:98");
  config.mutable_services()->mutable_gateway_dequeue()->set_listen("192.0.2.1:97");
  config.mutable_services()->mutable_smtp_frontend()->set_target("dns:///frontend:1");
  CompleteConfig({}, config);
  EXPECT_EQ(config.services().spool_store().target(), "127.0.0.1:99");
  EXPECT_EQ(config.services().auth_service().target(), "[::1]:98");
  EXPECT_EQ(config.services().gateway_dequeue().target(), "192.0.2.1:97");
  EXPECT_EQ(config.services().smtp_frontend().target(), "dns:///frontend:1");
}

TEST(CompleteConfigTest, EmptyMetricsAddressThatWasWrittenStaysEmpty) {
  v1::Config config;
  CompleteConfig({{"services.spool_store.metrics_listen", {}}}, config);
  EXPECT_EQ(config.services().spool_store().metrics_listen(), "");
}

TEST(CompleteConfigTest, HostnameIsNeverEmpty) {
  v1::Config config;
  CompleteConfig({}, config);
  EXPECT_FALSE(config.hostname().empty());
}

TEST(CompleteConfigTest, RoleImpliesTlsAndOdmrUnlessWritten) {
  v1::Config config;
  for (const v1::ListenerRole role :
       {v1::LISTENER_ROLE_SMTP, v1::LISTENER_ROLE_SUBMISSIONS, v1::LISTENER_ROLE_ODMR,
        v1::LISTENER_ROLE_SUBMISSIONS, v1::LISTENER_ROLE_ODMR}) {
    config.mutable_smtp()->add_listeners()->set_role(role);
  }
  CompleteConfig({{"smtp.listeners[3].implicit_tls", {}}, {"smtp.listeners[4].odmr", {}}}, config);
  std::vector<bool> tls, odmr;
  for (const v1::Listener& listener : config.smtp().listeners()) {
    tls.push_back(listener.implicit_tls());
    odmr.push_back(listener.odmr());
  }
  EXPECT_EQ(tls, (std::vector<bool>{false, true, false, false, false}));
  EXPECT_EQ(odmr, (std::vector<bool>{false, false, true, false, false}));
}

}  // namespace
}  // namespace turnpike::config
