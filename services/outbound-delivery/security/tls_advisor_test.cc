#include "services/outbound-delivery/security/tls_advisor.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/resolve/testing/fake_dns.h"

namespace turnpike::delivery {
namespace {

constexpr char kPolicy[] = "version: STSv1\nmode: enforce\nmx: mx.far.example\nmax_age: 3600\n";

class FixedFetcher : public StsFetcher {
 public:
  void Fetch(const std::string&, const std::vector<net::IpAddress>&, Callback done) override {
    done(std::string(kPolicy));
  }
};

class TlsAdvisorTest : public testing::Test {
 protected:
  TlsAdvisorTest()
      : policies_(dns_, fetcher_,
                  {.is_allowed = [](const net::IpAddress&) { return true; },
                   .report = [](StsPolicies::Outcome) {}},
                  clock_) {
    dns_.Set({"_mta-sts.far.example", RecordType::kTxt},
             {.result = DnsAnswer::Result::kOk, .texts = {"v=STSv1; id=1"}});
    dns_.SetAddresses("mta-sts.far.example", {"192.0.2.1"});
    dns_.Set(
        {"_26._tcp.mx.far.example", RecordType::kTlsa},
        {.result = DnsAnswer::Result::kOk,
         .tlsa = {{.usage = 3, .selector = 1, .matching_type = 1, .data = std::string(32, 'x')}},
         .is_authentic = true});
  }

  TlsDemand::Level Level(TlsAdvisor& advisor, TlsAdvisor::Subject subject) {
    TlsDemand demand;
    subject.question.host = "mx.far.example";
    subject.port = 26;
    advisor.Advise(subject, [&](TlsAdvisor::Advice advice) {
      demand = std::get<TlsDemand>(std::move(advice));
    });
    return demand.level;
  }

  FakeDns dns_;
  FixedFetcher fetcher_;
  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  StsPolicies policies_;
};

TEST_F(TlsAdvisorTest, TlsaRecordsOfThePortAreFollowedWhereAddressesAreAuthentic) {
  TlsAdvisor advisor(dns_, &policies_, /*follows_dane=*/true);
  EXPECT_EQ(Level(advisor, {.are_addresses_authentic = true}), TlsDemand::Level::kDane);
  EXPECT_EQ(Level(advisor, {.are_addresses_authentic = false}), TlsDemand::Level::kOpportunistic);
}

TEST_F(TlsAdvisorTest, PolicyOfTheDomainIsFollowed) {
  TlsAdvisor advisor(dns_, &policies_, /*follows_dane=*/true);
  EXPECT_EQ(Level(advisor, {.policy_domain = "far.example"}), TlsDemand::Level::kVerified);
  EXPECT_EQ(Level(advisor, {.policy_domain = ""}), TlsDemand::Level::kOpportunistic);
}

TEST_F(TlsAdvisorTest, BothCanBeSwitchedOff) {
  TlsAdvisor advisor(dns_, nullptr, /*follows_dane=*/false);
  EXPECT_EQ(Level(advisor, {.are_addresses_authentic = true, .policy_domain = "far.example"}),
            TlsDemand::Level::kOpportunistic);
}

}  // namespace
}  // namespace turnpike::delivery
