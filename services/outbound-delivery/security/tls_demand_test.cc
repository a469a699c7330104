#include "services/outbound-delivery/security/tls_demand.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/security/tls_failures.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Level = TlsDemand::Level;
using Source = TlsDemand::Source;

const net::TlsaRecord kUsable{
    .usage = 3, .selector = 1, .matching_type = 1, .data = std::string(32, 'x')};
const net::TlsaRecord kUnusable{
    .usage = 1, .selector = 1, .matching_type = 1, .data = std::string(32, 'x')};

TlsQuestion Question() { return {.host = "mx.far.example"}; }

DnsAnswer Tlsa(std::vector<net::TlsaRecord> records, bool is_authentic = true) {
  return {
      .result = DnsAnswer::Result::kOk, .tlsa = std::move(records), .is_authentic = is_authentic};
}

StsPolicy Policy(StsPolicy::Mode mode, std::string mx = "mx.far.example") {
  return {.mode = mode, .mx = {std::move(mx)}};
}

TlsDemand Demand(const TlsQuestion& question) {
  const auto decided = DecideTls(question);
  EXPECT_TRUE(std::holds_alternative<TlsDemand>(decided));
  const auto* demand = std::get_if<TlsDemand>(&decided);
  return demand == nullptr ? TlsDemand() : *demand;
}

smtp::Reply Refusal(const TlsQuestion& question) {
  const auto decided = DecideTls(question);
  const auto* reply = std::get_if<smtp::Reply>(&decided);
  return reply == nullptr ? smtp::Reply() : *reply;
}

TEST(DecideTlsTest, ConfigurationDecidesWhereNobodyElseHasASay) {
  TlsQuestion question = Question();
  EXPECT_EQ(Demand(question).level, Level::kOpportunistic);
  question.configured = RoutePlan::Tls::kNone;
  EXPECT_EQ(Demand(question).level, Level::kNone);
  question.configured = RoutePlan::Tls::kRequired;
  EXPECT_EQ(Demand(question).level, Level::kEncrypted);
  question.configured = RoutePlan::Tls::kVerified;
  EXPECT_EQ(Demand(question).level, Level::kVerified);
  EXPECT_EQ(Demand(question).source, Source::kConfiguration);
}

TEST(DecideTlsTest, UsableTlsaRecordsSayWhichCertificate) {
  TlsQuestion question = Question();
  question.tlsa = Tlsa({kUnusable, kUsable});
  const TlsDemand demand = Demand(question);
  EXPECT_EQ(demand.level, Level::kDane);
  EXPECT_EQ(demand.source, Source::kDane);
  EXPECT_THAT(demand.tlsa, ElementsAre(kUsable));
}

TEST(DecideTlsTest, UnusableTlsaRecordsDemandEncryptionOnly) {
  TlsQuestion question = Question();
  question.tlsa = Tlsa({kUnusable});
  EXPECT_EQ(Demand(question).level, Level::kEncrypted);
  EXPECT_THAT(Demand(question).tlsa, IsEmpty());
}

TEST(DecideTlsTest, TlsaRecordsThatAreNotAuthenticSayNothing) {
  TlsQuestion question = Question();
  question.tlsa = Tlsa({kUsable}, /*is_authentic=*/false);
  EXPECT_EQ(Demand(question).level, Level::kOpportunistic);
}

TEST(DecideTlsTest, FailedTlsaLookupDelaysMail) {
  TlsQuestion question = Question();
  question.tlsa = DnsAnswer{.result = DnsAnswer::Result::kServFail};
  EXPECT_EQ(Refusal(question).code(), kTlsaFailure.code);
  question.tlsa = DnsAnswer{.result = DnsAnswer::Result::kNxDomain, .is_authentic = true};
  EXPECT_EQ(Demand(question).level, Level::kOpportunistic);
}

TEST(DecideTlsTest, EnforcedPolicyDemandsAVerifiedHostThatItNames) {
  TlsQuestion question = Question();
  question.sts = Policy(StsPolicy::Mode::kEnforce);
  EXPECT_EQ(Demand(question).level, Level::kVerified);
  EXPECT_EQ(Demand(question).source, Source::kMtaSts);
  question.sts = Policy(StsPolicy::Mode::kEnforce, "other.example");
  EXPECT_EQ(Refusal(question).ToString(), smtp::Reply(kNotInStsPolicy).ToString());
}

TEST(DecideTlsTest, TestedPolicyDemandsNothingAndIsMarked) {
  TlsQuestion question = Question();
  question.sts = Policy(StsPolicy::Mode::kTesting, "other.example");
  EXPECT_EQ(Demand(question).level, Level::kOpportunistic);
  EXPECT_EQ(Demand(question).test, TlsDemand::Test::kAnotherHost);
  question.sts = Policy(StsPolicy::Mode::kTesting);
  EXPECT_EQ(Demand(question).level, Level::kOpportunistic);
  EXPECT_EQ(Demand(question).test, TlsDemand::Test::kVerified);
  question.sts = Policy(StsPolicy::Mode::kNone);
  EXPECT_EQ(Demand(question).test, TlsDemand::Test::kNothing);
}

TEST(DecideTlsTest, DaneGoesBeforeMtaSts) {
  TlsQuestion question = Question();
  question.tlsa = Tlsa({kUsable});
  question.sts = Policy(StsPolicy::Mode::kEnforce, "other.example");
  EXPECT_EQ(Demand(question).level, Level::kDane);
}

TEST(DecideTlsTest, RequireTlsNeedsAHostThatIsKnownToBeTheDomains) {
  TlsQuestion question = Question();
  question.message_requires_tls = true;
  EXPECT_EQ(Refusal(question).ToString(), smtp::Reply(kEncryptionNeeded).ToString());
  question.is_host_authentic = true;
  EXPECT_EQ(Demand(question).level, Level::kVerified);
  EXPECT_TRUE(Demand(question).needs_require_tls);
  question.is_host_authentic = false;
  question.sts = Policy(StsPolicy::Mode::kTesting);
  EXPECT_EQ(Demand(question).level, Level::kVerified);
  EXPECT_EQ(Demand(question).source, Source::kRequireTls);
}

TEST(DecideTlsTest, RequireTlsIsRefusedWhereTlsIsSwitchedOff) {
  TlsQuestion question = Question();
  question.message_requires_tls = true;
  question.is_host_authentic = true;
  question.configured = RoutePlan::Tls::kNone;
  EXPECT_TRUE(Refusal(question).is_permanent());
}

TEST(IsUsableTest, DigestsHaveTheirLength) {
  net::TlsaRecord record = kUsable;
  record.data.pop_back();
  EXPECT_FALSE(IsUsable(record));
  record = {.usage = 2, .selector = 0, .matching_type = 2, .data = std::string(64, 'x')};
  EXPECT_TRUE(IsUsable(record));
  record.selector = 2;
  EXPECT_FALSE(IsUsable(record));
  record = {.usage = 3, .selector = 0, .matching_type = 3, .data = "x"};
  EXPECT_FALSE(IsUsable(record));
}

}  // namespace
}  // namespace turnpike::delivery
