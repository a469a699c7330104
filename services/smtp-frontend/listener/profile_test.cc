#include "services/smtp-frontend/listener/profile.h"

#include <gtest/gtest.h>

#include "services/common/net/testing/test_certificate.h"

namespace turnpike::frontend {
namespace {

class ProfileTest : public ::testing::Test {
 protected:
  ProfileTest() {
    config_.set_hostname("mx.example.com");
    config_.mutable_smtp()->set_message_bytes_max(1000);
    config_.mutable_smtp()->set_recipients_max(123);
    config_.mutable_smtp()->set_received_fields_max(45);
    listener_.set_name("mx");
    listener_.set_role(config::v1::LISTENER_ROLE_SMTP);
  }

  ListenerProfile Make() {
    absl::StatusOr<ListenerProfile> profile = MakeProfile(config_, listener_);
    EXPECT_TRUE(profile.ok()) << profile.status();
    return *std::move(profile);
  }

  config::v1::Config config_;
  config::v1::Listener listener_;
};

TEST_F(ProfileTest, LimitsComeFromTheConfiguration) {
  const ListenerProfile profile = Make();
  EXPECT_EQ(profile.options.host_name, "mx.example.com");
  EXPECT_EQ(profile.options.offered.size_bytes_max, 1000u);
  EXPECT_EQ(profile.options.recipients_max, 123u);
  EXPECT_EQ(profile.options.content.received_count_max, 45u);
  listener_.set_message_bytes_max(10);
  EXPECT_EQ(Make().options.offered.size_bytes_max, 10u);
}

TEST_F(ProfileTest, EtrnIsOfferedWhereAGatewayMayUseIt) {
  EXPECT_FALSE(Make().options.offered.etrn);
  config_.add_gateways()->mutable_etrn()->set_enabled(true);
  EXPECT_TRUE(Make().options.offered.etrn);
}

TEST_F(ProfileTest, AtrnIsOfferedOnOdmrListenersOnly) {
  EXPECT_FALSE(Make().options.offered.atrn);
  listener_.set_odmr(true);
  EXPECT_TRUE(Make().options.offered.atrn);
  listener_.set_odmr(false);
  listener_.set_role(config::v1::LISTENER_ROLE_ODMR);
  const ListenerProfile odmr = Make();
  EXPECT_TRUE(odmr.options.offered.atrn);
  EXPECT_FALSE(odmr.options.offered.size);  // it takes no mail
  EXPECT_EQ(odmr.options.role, smtp::ServerRole::kOdmr);
}

TEST_F(ProfileTest, StartTlsNeedsACertificateAndNoTlsBefore) {
  EXPECT_FALSE(Make().options.offered.start_tls);
  const auto certificate = net::testing::MakeCertificate("profile", "mx.example.com");
  listener_.mutable_tls()->set_certificate_file(certificate.certificate_file);
  listener_.mutable_tls()->set_key_file(certificate.key_file);
  EXPECT_TRUE(Make().options.offered.start_tls);
  listener_.set_implicit_tls(true);
  const ListenerProfile implicit = Make();
  EXPECT_FALSE(implicit.options.offered.start_tls);
  ASSERT_NE(implicit.tls, nullptr);
  // Made to last until tomorrow.
  EXPECT_GT(CertificateEnd(*implicit.tls), absl::Now());
  EXPECT_LT(CertificateEnd(*implicit.tls), absl::Now() + absl::Hours(48));
}

TEST_F(ProfileTest, ListenersWithoutTheirCertificateDoNotStart) {
  listener_.set_implicit_tls(true);
  EXPECT_TRUE(absl::IsInvalidArgument(MakeProfile(config_, listener_).status()));
  listener_.mutable_tls()->set_certificate_file("/nowhere/cert.pem");
  listener_.mutable_tls()->set_key_file("/nowhere/key.pem");
  EXPECT_FALSE(MakeProfile(config_, listener_).ok());
}

}  // namespace
}  // namespace turnpike::frontend
