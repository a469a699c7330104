#include "services/outbound-delivery/security/sts_policies.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/resolve/testing/fake_dns.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using Outcome = StsPolicies::Outcome;

constexpr char kPolicy[] = "version: STSv1\nmode: enforce\nmx: mx.far.example\nmax_age: 3600\n";

// Gives what it was told, at once.
class FakeFetcher : public StsFetcher {
 public:
  void Fetch(const std::string& host, const std::vector<net::IpAddress>&, Callback done) override {
    hosts.push_back(host);
    done(text);
  }
  absl::StatusOr<std::string> text = std::string(kPolicy);
  std::vector<std::string> hosts;
};

class StsPoliciesTest : public testing::Test {
 protected:
  StsPoliciesTest() {
    Announce("1");
    dns_.SetAddresses("mta-sts.far.example", {"192.0.2.1"});
  }

  void Announce(const std::string& id) {
    dns_.Set({"_mta-sts.far.example", RecordType::kTxt},
             {.result = DnsAnswer::Result::kOk, .texts = {"v=STSv1; id=" + id}});
  }

  std::optional<StsPolicy> Find(StsPolicies& policies, const std::string& domain = "far.example") {
    std::optional<std::optional<StsPolicy>> found;
    policies.Find(domain, [&](std::optional<StsPolicy> policy) { found = std::move(policy); });
    EXPECT_TRUE(found.has_value());
    return found.value_or(std::nullopt);
  }

  StsPolicies Make(size_t policies_max = 10) {
    return StsPolicies(
        dns_, fetcher_,
        {.policies_max = policies_max,
         .is_allowed =
             [](const net::IpAddress& address) { return address.ToString() != "127.0.0.1"; },
         .report = [this](Outcome outcome) { outcomes_.push_back(outcome); }},
        clock_);
  }

  FakeDns dns_;
  FakeFetcher fetcher_;
  base::ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::vector<Outcome> outcomes_;
};

TEST_F(StsPoliciesTest, PolicyIsFetchedOnceAndRemembered) {
  StsPolicies policies = Make();
  EXPECT_TRUE(Find(policies).has_value());
  EXPECT_TRUE(Find(policies).has_value());
  EXPECT_THAT(fetcher_.hosts, ElementsAre("mta-sts.far.example"));
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kFetched, Outcome::kKnown));
}

TEST_F(StsPoliciesTest, NewIdLeadsToANewFetch) {
  StsPolicies policies = Make();
  Find(policies);
  Announce("2");
  fetcher_.text = "version: STSv1\nmode: testing\nmx: mx.far.example\nmax_age: 3600\n";
  EXPECT_EQ(Find(policies)->mode, StsPolicy::Mode::kTesting);
}

TEST_F(StsPoliciesTest, LastPolicyStaysInForceWhileTheNewOneCannotBeHad) {
  StsPolicies policies = Make();
  Find(policies);
  Announce("2");
  fetcher_.text = absl::UnavailableError("away");
  EXPECT_TRUE(Find(policies).has_value());
  dns_.Set({"_mta-sts.far.example", RecordType::kTxt}, {.result = DnsAnswer::Result::kServFail});
  EXPECT_TRUE(Find(policies).has_value());
  clock_.Advance(absl::Hours(2));
  EXPECT_FALSE(Find(policies).has_value());
}

TEST_F(StsPoliciesTest, FailedFetchIsNotRepeatedAtOnce) {
  StsPolicies policies = Make();
  fetcher_.text = absl::UnavailableError("away");
  EXPECT_FALSE(Find(policies).has_value());
  EXPECT_FALSE(Find(policies).has_value());
  EXPECT_EQ(fetcher_.hosts.size(), 1u);
  clock_.Advance(absl::Minutes(6));
  EXPECT_FALSE(Find(policies).has_value());
  EXPECT_EQ(fetcher_.hosts.size(), 2u);
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kFetchFailed, Outcome::kNone, Outcome::kFetchFailed));
}

TEST_F(StsPoliciesTest, BrokenPolicyCountsAsNone) {
  StsPolicies policies = Make();
  fetcher_.text = "<html>";
  EXPECT_FALSE(Find(policies).has_value());
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kInvalid));
}

TEST_F(StsPoliciesTest, ForbiddenAddressesAreNotAsked) {
  StsPolicies policies = Make();
  dns_.SetAddresses("mta-sts.far.example", {"127.0.0.1"});
  EXPECT_FALSE(Find(policies).has_value());
  EXPECT_TRUE(fetcher_.hosts.empty());
}

TEST_F(StsPoliciesTest, DomainsWithoutARecordHaveNoPolicy) {
  StsPolicies policies = Make();
  EXPECT_FALSE(Find(policies, "near.example").has_value());
  EXPECT_EQ(policies.size(), 0u);
}

TEST_F(StsPoliciesTest, OldestGivesWayAtTheLimit) {
  StsPolicies policies = Make(/*policies_max=*/1);
  Find(policies);
  dns_.Set({"_mta-sts.near.example", RecordType::kTxt},
           {.result = DnsAnswer::Result::kOk, .texts = {"v=STSv1; id=1"}});
  dns_.SetAddresses("mta-sts.near.example", {"192.0.2.2"});
  Find(policies, "near.example");
  EXPECT_EQ(policies.size(), 1u);
}

}  // namespace
}  // namespace turnpike::delivery
